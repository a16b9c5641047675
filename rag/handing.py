"""From the final order to what the generator reads: packed, and widened by what the asker may read."""

from collections import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.clock import Clock
from rag.errors import IndexUnavailable
from rag.events import Event, Packed, Skipped
from rag.generate.base import Bounded, Generator
from rag.index.base import IndexReader
from rag.prompts.pack import Packing, nothing_around, pack, uncounted
from rag.spec import ContextSpec
from rag.types import Candidate, Passage

Permit = Callable[[Sequence[Passage]], frozenset[str]]
"""Passages → the ids of those that the asker may read at this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handing:
    spec: ContextSpec
    generator: Generator | None
    index: IndexReader
    collections: tuple[str, ...]
    """Those that the asker may read."""
    permit: Permit

    def run(
        self, question: str, candidates: Sequence[Candidate], clock: Clock
    ) -> abc.Generator[Event, None, tuple[Passage, ...]]:
        """`Packed`, before it `Skipped` where passages could not be widened; the passages as handed over."""
        started = clock.now()
        try:
            packing = self._pack(question, candidates)
        except IndexUnavailable as error:
            reason = f"Passages were handed over without what stands around them: {error}"
            yield Skipped("widen", reason, clock.since("widen", started))
            packing = self._pack(question, candidates, alone=True)
        yield Packed(packing.context, packing.dropped, clock.since("pack", started), packing.widened)
        return packing.passages

    def _pack(self, question: str, candidates: Sequence[Candidate], *, alone: bool = False) -> Packing:
        generator = self.generator
        return pack(
            candidates,
            self.spec,
            count=generator.count if generator is not None else uncounted,
            room=generator.room(question) if isinstance(generator, Bounded) else None,
            around=nothing_around if alone else self._around,
        )

    def _around(self, ids: Sequence[str]) -> tuple[Passage | None, ...]:
        """What stands around passages is checked like what was found: it was not in any leg."""
        found = self.index.passages(ids)
        here = [p for p in found if p is not None and p.collection in self.collections]
        allowed = self.permit(here) if here else frozenset()
        return tuple(p if p is not None and p in here and p.id in allowed else None for p in found)
