"""A generator writes an answer from numbered passages, piece by piece."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.trace import Delta
from rag.types import Answer, Passage, Usage


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

        `context[i]` has the marker `i + 1`. Raises `GenerationUnavailable` at any point.
        """
        ...
