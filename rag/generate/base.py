"""A generator writes an answer from numbered passages, piece by piece."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rag.answers import Answer, Usage
from rag.events import Delta
from rag.types import Passage

NO_ANSWER = "The documents do not answer this question."
"""The text of an answer with the reason `no_answer`, whoever decided it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a generator yields last. The pipeline adds the time and makes it a `Generated` event."""

    answer: Answer
    usage: Usage


class Generator(Protocol):
    fingerprint: str

    def stream(
        self, question: str, context: Sequence[Passage], *, deadline: float
    ) -> Iterator[Delta | Finished]:
        """Deltas, then exactly one `Finished` whose text is the deltas joined.

        `context[i]` has the marker `i + 1`. Raises `GenerationUnavailable` at any point: the deltas so far
        stay. Closing the iterator ends the writing, wherever that happens.
        """
        ...

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Tokens of each text as the model will read it; None where no tokenizer of its own is known."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A generator whose model can read only so much."""

    def room(self, question: str) -> int | None:
        """Tokens that are left for passages beside this question; None where that is not known."""
        ...


@runtime_checkable
class Salted(Protocol):
    """A part whose model may be behind a server that remembers prompts, for whoever asks next."""

    def salted(self, salt: str) -> "Salted":
        """The same part; what the server remembers for it is kept apart from that of other salts."""
        ...
