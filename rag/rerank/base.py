"""A reranker scores passages for a query. It does not sort, cut or know ranks."""

from collections.abc import Sequence
from typing import Protocol

from rag.types import Passage, Scores


class Reranker(Protocol):
    """One protocol for cross-encoders, late interaction, remote services and LLMs.

    Passages, not bare texts, because late interaction looks up stored token codes by passage id; a
    backend that reads text reads `passage.search_text`.
    """

    fingerprint: str

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        """One score per passage, in the order given; None for those that the deadline cut off.

        The passages come best first: a backend that runs out of time has scored a prefix of them.
        `deadline` is in seconds of `time.monotonic()`. Raises `RerankUnavailable` when there is
        no score to be had at all.
        """
        ...
