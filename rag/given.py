"""Texts that somebody brings along, ranked by one reranker: the path of a question without an index.

What it yields is a trace as any other, with one stage. Its spec holds what decides a score and nothing else:
how many texts there were, and how long who sent them would wait, is no property of a reranker.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from rag.clock import Clock
from rag.errors import RerankUnavailable
from rag.events import Began, Event, Ranked, Skipped
from rag.rerank.base import Reranker
from rag.spec import RerankSpec
from rag.types import Passage, Query, Ranking, ScoreKind, Stage, Timing

GIVEN = "given"
"""The document id of a text that is of no document."""
DECIDES = ("backend", "model", "options", "window_tokens", "window_overlap")
"""What of a reranker's spec can change the score of a text."""
STAGE: Stage = "reranked"


def passages(texts: Sequence[str], length: Callable[[str], int] = lambda _: 0) -> tuple[Passage, ...]:
    """The texts as passages, in the order given; equal scores stand in that order, by their ids.

    `length` counts the tokens of a text, where somebody asks for them.
    """
    return tuple(
        Passage(
            id=f"{GIVEN}:{place:06d}",
            document_id=GIVEN,
            version=0,
            position=place,
            collection="",
            title="",
            headings=(),
            text=text,
            span=(0, len(text)),
            page=None,
            tokens=length(text),
        )
        for place, text in enumerate(texts)
    )


def spec_of(spec: RerankSpec) -> dict[str, Any]:
    """What stands in the trace as its spec. No answer is asked for."""
    whole: dict[str, Any] = msgspec.to_builtins(spec)
    return {"rerank": {name: whole[name] for name in DECIDES if name in whole}, "generate": None}


def rank(
    query: Query,
    texts: Sequence[str],
    reranker: Reranker,
    spec: RerankSpec,
    *,
    name: str,
    budget_ms: float,
    length: Callable[[str], int] = lambda _: 0,
) -> Iterator[Event]:
    """Score all texts, as far as the budget reaches: its ranking, or the reason why there is none.

    A reranker over windows needs the `length` of a text in tokens.
    """
    clock = Clock()
    deadline = clock.deadline(budget_ms)
    decided = spec_of(spec)
    fingerprint = hashlib.sha256(msgspec.json.encode(decided, order="deterministic")).hexdigest()
    yield Began(
        query=query,
        pipeline=name,
        spec=decided,
        fingerprint=f"sha256:{fingerprint}",
        index_version="",
        readable=0,
    )
    started = clock.now()
    given = passages(texts, length)
    try:
        scores = reranker.score(query.text, given, deadline=deadline)
        if any(value is not None and not math.isfinite(value) for value in scores.values):
            raise RerankUnavailable("The reranker gave a score that is no number.")
    except RerankUnavailable as error:
        yield Skipped(STAGE, f"The texts could not be ranked: {error}", clock.since(STAGE, started))
        return
    scored = [(one, value) for one, value in zip(given, scores.values, strict=True) if value is not None]
    timing = Timing(STAGE, started, clock.now() - started, scores.compute_ms)
    yield Ranked(Ranking.of(STAGE, scores.kind, scored), timing, len(given), spent=scores.spent)


def relevance(kind: ScoreKind, score: float, texts: int) -> float:
    """A raw score on the scale of the providers, 0 to 1, in the same order.

    It says no more than the raw score: a logit becomes the probability that it is the logit of.
    """
    match kind:
        case "probability" | "relevance":
            return min(1.0, max(0.0, score))
        case "rating":
            return min(1.0, max(0.0, score / 10))
        case "ordinal":
            return min(1.0, max(0.0, score / max(1, texts)))
        case "maxsim":
            return min(1.0, max(0.0, (score + 1) / 2))
        case _:
            return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))
