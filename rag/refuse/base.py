"""A judge says how likely it is that the context answers the question, before anything is written."""

from collections.abc import Sequence
from typing import Protocol

from rag.answers import Confidence
from rag.types import Passage, Ranking


class Judge(Protocol):
    fingerprint: str

    def weigh(
        self, question: str, context: Sequence[Passage], rankings: Sequence[Ranking], *, deadline: float
    ) -> Confidence:
        """`context` is what would be handed over, never empty; `rankings` are those of every stage that ran.

        Raises `GenerationUnavailable`: the answer is then written unweighed, and says so.
        """
        ...
