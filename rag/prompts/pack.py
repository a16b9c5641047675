"""What the generator gets to read: the best passages that fit, and why the others did not.

Candidates are taken best first. Then, where the spec asks for it, each is widened by what stands around it
in its section, as long as that fits: small passages are found and ranked best, larger ones are read best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.prompts.alike import Shingles, shared, shingles
from rag.prompts.neighbours import join, touch
from rag.spec import ContextSpec
from rag.types import Candidate, ContextPassage, Passage, passage_id

Count = Callable[[Sequence[str]], list[int] | None]
"""Texts → tokens of each by the generator's own tokenizer, or None: the encoder's tokens count then."""
Around = Callable[[Sequence[str]], Sequence[Passage | None]]
"""Ids → passages that the asker may read; None for the others."""
REACH = 12
"""At most so many passages before one, and after it, are looked at to widen it."""


def uncounted(texts: Sequence[str]) -> None:
    return None


def nothing_around(ids: Sequence[str]) -> Sequence[Passage | None]:
    return (None,) * len(ids)


@dataclass(frozen=True, slots=True)
class Packing:
    """Passages in order of marker, their numbers, the dropped ids with reasons, and the widened ones."""

    passages: tuple[Passage, ...]
    context: tuple[ContextPassage, ...]
    dropped: tuple[tuple[str, str], ...]
    widened: tuple[Passage, ...]


def pack(
    candidates: Sequence[Candidate],
    spec: ContextSpec,
    *,
    count: Count = uncounted,
    room: int | None = None,
    around: Around = nothing_around,
) -> Packing:
    """At most `spec.top` passages, in at most `spec.max_tokens` and in `room`, what the model can read.

    The first is always taken; where it is longer than `room`, only its beginning. One that is merged into
    another stands among the dropped, too, with the number of that one.
    """
    packer = _Packer(spec, count, room, around)
    packer.take(candidates)
    if spec.section_tokens and packer.blocks:
        packer.widen()
    return packer.packed()


@dataclass(slots=True, eq=False)
class _Block:
    """Passages of one document that follow each other, handed over as one under the best one's id."""

    best: Passage
    whole: Passage
    first: int
    last: int
    tokens: int
    words: Shingles

    def before_or_after(self, other: "_Block") -> bool:
        return (other.first == self.last + 1 or self.first == other.last + 1) and touch(
            self.whole, other.whole
        )


class _Packer:
    def __init__(self, spec: ContextSpec, count: Count, room: int | None, around: Around) -> None:
        self.blocks: list[_Block] = []
        self._spec = spec
        self._limit = spec.max_tokens if room is None else min(spec.max_tokens, room)
        self._room = room
        self._count = count
        self._counted: dict[str, int] = {}
        self._around = around
        self._texts: dict[str, Passage] = {}
        self._dropped: list[tuple[str, str, Passage | None]] = []
        """Id, reason, and the passage whose number the reason says."""

    def take(self, candidates: Sequence[Candidate]) -> None:
        self._count_all([c.passage for c in candidates[: self._spec.top]])
        for candidate in candidates:
            if len(self.blocks) == self._spec.top:
                return
            passage = candidate.passage
            if not self._dropped_as_known(passage):
                self._add(passage)

    def _dropped_as_known(self, passage: Passage) -> bool:
        known = self._texts.get(_plain(passage.text))
        if known is not None:
            return self._drop(passage, "same text as passage {}", known)
        if self._spec.near_duplicates:
            own = shingles(passage.text)
            for block in self.blocks:
                same = shared(own, block.words)
                if same >= self._spec.near_duplicates:
                    reason = f"nearly the same text as passage {{}}: it has {same:.0%} of its words"
                    return self._drop(passage, reason, block.best)
        most = self._spec.per_document
        taken = sum(b.last - b.first + 1 for b in self.blocks if b.best.document_id == passage.document_id)
        if most and taken >= most:
            number = "a passage" if most == 1 else f"{most} passages"
            return self._drop(passage, f"{number} of its document came before")
        return False

    def _add(self, passage: Passage) -> None:
        """Take it, alone or as a part of the one that it stands beside, where it fits."""
        words = shingles(passage.text) if self._spec.near_duplicates else frozenset()
        place, tokens = passage.position, self._tokens(passage)
        block = _Block(passage, passage, place, place, tokens, words)
        beside = [b for b in self.blocks if self._spec.merge and b.before_or_after(block)]
        used = sum(b.tokens for b in self.blocks)
        if beside:
            self._merge(beside[0], block, used)
            for other in beside[1:]:  # it stood between two
                self._merge(beside[0], other, used - other.tokens)
            return
        if self.blocks and used + tokens > self._limit:
            self._drop(passage, self._too_long(used + tokens))
            return
        if self._room is not None and tokens > self._room:
            self._drop(passage, f"its end {self._too_long(tokens)}")
            self._cut(block, self._room)
        self.blocks.append(block)
        self._texts[_plain(passage.text)] = passage

    def _merge(self, block: _Block, other: _Block, used: int) -> None:
        """Make the second a part of the first; `used` are the tokens of all blocks but the second."""
        if not block.before_or_after(other):
            return
        whole = join(block.whole, other.whole)
        tokens = self._tokens(whole)
        if used - block.tokens + tokens > self._limit:
            if other not in self.blocks:
                self._drop(other.best, self._too_long(used - block.tokens + tokens))
            return
        self._texts[_plain(other.best.text)] = block.best
        self._drop(other.best, "handed over as a part of passage {}, beside which it stands", block.best)
        if other in self.blocks:
            self.blocks.remove(other)
        self._grow(block, whole, tokens, other)

    def _grow(self, block: _Block, whole: Passage, tokens: int, other: _Block) -> None:
        block.whole, block.tokens = whole, tokens
        block.first, block.last = min(block.first, other.first), max(block.last, other.last)
        block.words |= other.words

    # --- what stands around ------------------------------------------------------------------------

    def widen(self) -> None:
        """Each block by its neighbours under the same headings, best first, on one side after the other."""
        known = self._neighbours()
        for block in self.blocks:
            sides = [1, -1]
            while sides:
                side = sides.pop(0)
                beside = known.get(_id(block.best, block.last + 1 if side == 1 else block.first - 1))
                if beside is not None and self._widened(block, beside):
                    sides.append(side)

    def _widened(self, block: _Block, beside: Passage) -> bool:
        at = beside.position
        other = _Block(beside, beside, at, at, 0, frozenset())
        of_it = (beside.document_id, beside.version)
        if beside.headings != block.best.headings or not block.before_or_after(other):
            return False
        if any(
            (b.best.document_id, b.best.version) == of_it and b.first <= at <= b.last for b in self.blocks
        ):
            return False
        whole = join(block.whole, beside)
        tokens = self._tokens(whole)
        used = sum(b.tokens for b in self.blocks) - block.tokens
        if tokens > self._spec.section_tokens or used + tokens > self._limit:
            return False
        self._grow(block, whole, tokens, other)
        return True

    def _neighbours(self) -> dict[str, Passage]:
        wanted = [
            _id(b.best, position)
            for b in self.blocks
            for position in range(max(0, b.first - REACH), b.last + REACH + 1)
            if not b.first <= position <= b.last
        ]
        found = self._around(tuple(dict.fromkeys(wanted)))
        return {p.id: p for p in found if p is not None}

    # --- tokens ------------------------------------------------------------------------------------

    def _count_all(self, passages: Sequence[Passage]) -> None:
        """Count many at once: a tokenizer may be behind a server."""
        texts = [p.search_text for p in passages]
        counted = self._count(texts) if texts else None
        self._counted |= zip(texts, counted, strict=True) if counted is not None else ()

    def _tokens(self, passage: Passage) -> int:
        text = passage.search_text
        if text not in self._counted:
            self._count_all([passage])
        return self._counted.get(text, passage.tokens)

    def _cut(self, block: _Block, room: int) -> None:
        """Leave only as much of its beginning as the model can read."""
        while block.tokens > room and len(block.whole.text) > 1:
            whole, length = block.whole, len(block.whole.text)
            kept = max(1, min(length - 1, length * max(room, 1) // block.tokens))
            text = whole.text[:kept].rpartition(" ")[0].rstrip() or whole.text[:kept]
            end, tokens = whole.span[0] + len(text), max(1, whole.tokens * len(text) // length)
            block.whole = replace(whole, text=text, span=(whole.span[0], end), tokens=tokens)
            block.tokens = self._tokens(block.whole)

    def _too_long(self, tokens: int) -> str:
        can = " that the model can read" if self._limit < self._spec.max_tokens else ""
        return f"did not fit: {tokens} of {self._limit} tokens{can}"

    def _drop(self, passage: Passage, reason: str, other: Passage | None = None) -> bool:
        self._dropped.append((passage.id, reason, other))
        return True

    def packed(self) -> Packing:
        blocks = self.blocks
        numbered = tuple(ContextPassage(n, b.best.id, b.tokens) for n, b in enumerate(blocks, start=1))
        dropped = tuple(
            (pid, reason.format(self._number(other)) if other else reason)
            for pid, reason, other in self._dropped
        )
        widened = tuple(b.whole for b in blocks if b.whole != b.best)
        return Packing(tuple(b.whole for b in blocks), numbered, dropped, widened)

    def _number(self, of: Passage) -> int:
        """Marker of the block that a passage was taken into."""
        return next(
            n
            for n, b in enumerate(self.blocks, start=1)
            if (b.best.document_id, b.best.version) == (of.document_id, of.version)
            and b.first <= of.position <= b.last
        )


def _id(of: Passage, position: int) -> str:
    return passage_id(of.document_id, of.version, position)


def _plain(text: str) -> str:
    return " ".join(text.split())
