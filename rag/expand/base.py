"""An expander writes more texts that are searched together with a question."""

from typing import Protocol

from rag.types import Expansion


class Expander(Protocol):
    fingerprint: str

    def expand(self, question: str, *, deadline: float) -> Expansion:
        """At least one text. Raises `GenerationUnavailable`: the question is then searched alone."""
        ...
