"""A verifier holds each sentence of an answer against the passages that it cites."""

from collections.abc import Sequence
from typing import Protocol

from rag.answers import Answer, Check
from rag.types import Passage


class Verifier(Protocol):
    fingerprint: str

    def check(
        self, question: str, answer: Answer, context: Sequence[tuple[int, Passage]], *, deadline: float
    ) -> tuple[Check, ...]:
        """One check for each sentence of the answer, in order; `unchecked` where time ran out.

        `context` is marker and passage as the generator read it. Raises `GenerationUnavailable`: no
        sentence was checked then, and the answer says so.
        """
        ...
