"""A reranker scores passages for a query. It does not sort, cut or know ranks.

A backend is one module here: `load(name, directory, *, threads, options)` for a model of the store,
`connect(service, model, *, options)` with `NEEDS_SERVICE = True` for a service. It gives a `Reranker`;
`tests/contracts/reranker.py` says what that must do. Models that score pairs in this process are
`PairModel`s and get deadlines, batches and the worker from `rag.rerank.pairs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rag.types import Passage, ScoreKind, Scores


class Reranker(Protocol):
    """One protocol for cross-encoders, late interaction, remote services and LLMs.

    Passages, not bare texts, because late interaction looks up stored token codes by passage id; a
    backend that reads text is a `TextReranker`.
    """

    fingerprint: str

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        """One score per passage, in the order given; None for those that the deadline cut off.

        The passages come best first: a backend that runs out of time has scored a prefix of them.
        `deadline` is in seconds of `time.monotonic()`. Raises `RerankUnavailable` when there is
        no score to be had at all.
        """
        ...


class TextReranker(Reranker, Protocol):
    """A reranker that reads nothing but text."""

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """As `score`, for texts that are no passages."""
        ...


class ByText:
    """Gives a `score_texts` its `score`: a passage is read with its title and headings."""

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        texts = [passage.search_text for passage in passages]
        return self.score_texts(query, texts, deadline=deadline)

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a text, ready for one model: `data` is what its tokenizer made of them."""

    tokens: int
    data: Any


class PairModel(Protocol):
    """A model in this process that scores pairs, of one question or of several, in one run."""

    fingerprint: str
    kind: ScoreKind
    precision: str
    """What computes: `int8`, `bfloat16 on cuda:0`."""
    lanes: int
    """Runs at the same time that are faster than one after another: cores, or 1 on a GPU."""
    batch_tokens: int
    """Tokens of one run, padding included; 1: a pair a run, whatever its length."""

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        """Tokenised; what is too long loses its end. Threads may call it."""
        ...

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        """One score a pair. Raises `MemoryError` for too large a batch, `RuntimeError` where it failed."""
        ...


def suffix(options: Mapping[str, Any]) -> str:
    """What options that move scores add to a fingerprint; nothing without any."""
    return "".join(f":{name}={value}" for name, value in sorted(options.items()))
