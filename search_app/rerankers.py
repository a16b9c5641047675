"""Which rerankers this machine could use, and a trial of one: what a pipeline may name, seen from outside."""

import ast
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from django.conf import settings

import rag.rerank
from rag import backends, given, services
from rag.errors import SpecError
from rag.rerank import chat
from rag.rerank.dialects import base as dialects
from rag.services import Service
from rag.spec import ScorerSpec
from rag.types import Scores
from search_app import pipelines

Takes = Literal["a model", "a service", "the index", "nothing"]
QUESTION = "When does the first ferry leave?"
TEXTS = (
    "On working days the first ferry leaves the north pier at a quarter past six in the morning.",
    "The ferry carries bicycles and dogs; a ticket for a bicycle costs five.",
    "The lighthouse was built of granite in 1836 and has had no keeper since 1971.",
)
"""The first answers the question, and every reranker worth its name says so."""
KINDS: Mapping[str, str] = {
    "logit": "raw logits",
    "probability": "probabilities of a yes",
    "relevance": "on the provider's scale of 0 to 1",
    "rating": "ratings of 0 to 10",
    "ordinal": "places, of which only the order means anything",
    "maxsim": "MaxSim",
}


@dataclass(frozen=True, slots=True)
class Backend:
    name: str
    takes: Takes
    about: str
    """The first sentence of its module."""


def found() -> tuple[Backend, ...]:
    """The backends there are; none is imported, so that all are told where their libraries are absent."""
    folder = Path(rag.rerank.__path__[0])
    return tuple(_told(name, folder / f"{name}.py") for name in backends.names("rerank"))


def _told(name: str, file: Path) -> Backend:
    tree = ast.parse(file.read_text("utf-8"))
    needs = {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    made = {statement.name for statement in tree.body if isinstance(statement, ast.FunctionDef)}
    takes: Takes = "a model"
    if needs.get("NEEDS_SERVICE"):
        takes = "a service"
    elif "build" in made:
        takes = "the index"
    elif needs.get("NEEDS_MODEL") is False:
        takes = "nothing"
    return Backend(name, takes, " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split()))


def named() -> Mapping[str, Service]:
    """The services of this machine. Raises `SpecError` for a file that is wrong."""
    return services.read(settings.SERVICES_FILE)


def trouble(service: Service) -> str:
    """Why a service cannot be asked, without asking it; nothing where it can."""
    try:
        if service.dialect != chat.DIALECT:
            dialects.named(service.dialect)
        key = service.key
    except SpecError as error:
        return str(error)
    if key and service.url.startswith("http:") and not _here(service.url):
        return "The key travels unencrypted: the url begins with http."
    return ""


def _here(url: str) -> bool:
    host = url.removeprefix("http://").partition("/")[0]
    return host.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Trial:
    fingerprint: str
    scores: Scores
    load_ms: float
    elapsed_ms: float

    @property
    def order(self) -> list[int]:
        """Places of the texts, from 0, best first; those without a score last."""
        values = [float("-inf") if value is None else value for value in self.scores.values]
        return sorted(range(len(values)), key=lambda place: (-values[place], place))


def attempt(spec: ScorerSpec, question: str, texts: Sequence[str]) -> Trial:
    """Load a reranker here and have it score these texts; nothing comes from a cache.

    Raises `SieveError`: `SpecError` and `ModelError` where there is no such reranker, `RerankUnavailable`
    where it gives no scores.
    """
    if hasattr(backends.module("rerank", spec.backend), "build"):
        raise SpecError(f"{spec.backend} reads what an index holds of a passage; these texts are in none.")
    pipelines.score_anew()
    began = time.monotonic()
    reranker = pipelines.backends().cross_encoder(spec)
    loaded = time.monotonic()
    passages = given.passages(texts, lambda text: len(text.split()))
    scores = reranker.score(question, passages, deadline=loaded + spec.budget_ms / 1000)
    ended = time.monotonic()
    return Trial(reranker.fingerprint, scores, (loaded - began) * 1000, (ended - loaded) * 1000)


def option(text: str) -> tuple[str, Any]:
    """`name=value`; a value that is a number or true or false is read as one. Raises `SpecError`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise SpecError(f"An option is written name=value, not {text!r}.")
    if value in ("true", "false"):
        return name, value == "true"
    for number in (int, float):
        try:
            return name, number(value)
        except ValueError:
            continue
    return name, value
