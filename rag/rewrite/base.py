"""A rewriter makes of a follow-up a question that stands alone."""

from collections.abc import Sequence
from typing import Protocol

from rag.types import Rewriting


class Rewriter(Protocol):
    fingerprint: str

    def rewrite(self, question: str, history: Sequence[str], *, deadline: float) -> Rewriting | None:
        """None where the question stands alone already. `history`: earlier questions, oldest first.

        Raises `GenerationUnavailable`: `rag.rewrite.rule` then does without a model, and the answer says so.
        """
        ...
