"""Documents become passages: by structure first, then by tokens of the encoder.

A passage is a run of whole paragraphs of one section, as long as `max_tokens` allows; short
neighbouring sections stand together. Only a paragraph that is longer than a passage is cut, between
sentences where it can be, between words otherwise, into parts of about one length, and what follows
such a cut repeats up to `overlap_tokens` of what came before. Lengths count the title and headings that
are searched with the text, so that no passage is longer than the encoder can read.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rag.encode.base import Encoder
from rag.parse.base import ParsedDocument
from rag.sentences import sentences
from rag.spec import SplitSpec
from rag.types import Passage, context_of, passage_id

HEADING_CHARACTERS = 200
"""A longer title or heading is cut: it is repeated with every passage."""
TITLE_SHARE, CONTEXT_SHARE = 4, 2
"""The title may take a quarter of a passage, title and headings half of it; outer headings go first."""

_PARAGRAPH = re.compile(r"[^\n]+(?:\n(?!\n)[^\n]+)*")
_LINE = re.compile(r"[^\n]+")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A paragraph, or a piece of one: never cut again."""

    start: int
    end: int
    headings: tuple[str, ...]
    opens: bool
    """True for the first unit under its heading."""
    cut: bool
    """True where the unit goes on with a paragraph that was cut."""
    enough: int
    """Tokens of a cut paragraph that a passage should take, so that its parts are of one length."""


class _Tokens:
    """Token counts of any stretch of a document, from one pass of the tokenizer."""

    def __init__(self, offsets: Sequence[Span]) -> None:
        self.starts = [start for start, _ in offsets]
        self.ends = [end for _, end in offsets]

    def count(self, start: int, end: int) -> int:
        return max(0, bisect_left(self.starts, end) - bisect_right(self.ends, start))

    def reach(self, start: int, end: int, limit: int) -> int:
        """End of the longest stretch from `start` with at most `limit` tokens, not beyond `end`."""
        first = bisect_right(self.ends, start)
        last = first + max(limit, 1)
        return end if last >= len(self.starts) else min(end, self.starts[last])


def split(
    parsed: ParsedDocument,
    *,
    document_id: str,
    version: int,
    collection: str,
    encoder: Encoder,
    spec: SplitSpec,
) -> list[Passage]:
    """The passages of a document, in order; each one's text is exactly the document's text in its span."""
    splitter = _Splitter(parsed, encoder, spec)
    return [
        Passage(
            id=passage_id(document_id, version, position),
            document_id=document_id,
            version=version,
            position=position,
            collection=collection,
            title=splitter.title,
            headings=headings,
            text=parsed.text[start:end],
            span=(start, end),
            page=max(bisect_right(parsed.pages, start), 1) if parsed.pages else None,
            tokens=splitter.length(start, end, headings),
        )
        for position, (start, end, headings) in enumerate(splitter.spans())
    ]


class _Splitter:
    def __init__(self, parsed: ParsedDocument, encoder: Encoder, spec: SplitSpec) -> None:
        self.parsed = parsed
        self.encoder = encoder
        self.limit = min(spec.max_tokens, encoder.max_tokens)
        self.overlap = spec.overlap_tokens
        self.title = self._cut(parsed.title, self.limit // TITLE_SHARE)
        self.tokens = _Tokens(encoder.offsets(parsed.text))
        self._context: dict[tuple[str, ...], int] = {}

    def _cut(self, title: str, limit: int) -> str:
        title = title[:HEADING_CHARACTERS].strip()
        offsets = self.encoder.offsets(title)
        return title if len(offsets) <= limit else title[: offsets[limit][0]].strip()

    def length(self, start: int, end: int, headings: tuple[str, ...]) -> int:
        """Tokens of a passage with its title and headings."""
        if headings not in self._context:
            self._context[headings] = len(self.encoder.offsets(context_of(self.title, headings)))
        return self._context[headings] + self.tokens.count(start, end)

    def spans(self) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        """Passages as start, end and the headings above: units packed greedily."""
        run: list[_Unit] = []
        for unit in self._units():
            if run and (self._closes(run, unit) or self._size([*run, unit]) > self.limit):
                yield self._shape(run)
                run = self._overlap(run, unit)
            run.append(unit)
        if run:
            yield self._shape(run)

    def _closes(self, run: Sequence[_Unit], unit: _Unit) -> bool:
        """A new section ends a passage that is at least half full; a cut paragraph is shared out evenly."""
        if unit.cut and self._size(run) >= unit.enough:
            return True
        return unit.opens and self._size(run) >= self.limit // 2

    def _shape(self, run: Sequence[_Unit]) -> tuple[int, int, tuple[str, ...]]:
        common = run[0].headings
        for unit in run[1:]:
            common = _common(common, unit.headings)
        return run[0].start, run[-1].end, self._fitted(common)

    def _size(self, run: Sequence[_Unit]) -> int:
        return self.length(*self._shape(run))

    def _fitted(self, headings: tuple[str, ...]) -> tuple[str, ...]:
        while headings and self.length(0, 0, headings) > self.limit // CONTEXT_SHARE:
            headings = headings[1:]
        return headings

    def _overlap(self, run: Sequence[_Unit], unit: _Unit) -> list[_Unit]:
        """The last units of a passage that begin the next one, too, where a paragraph was cut."""
        kept: list[_Unit] = []
        for earlier in reversed(run if unit.cut else ()):
            repeated = self.tokens.count(earlier.start, unit.start)
            if repeated > self.overlap or self._size([earlier, unit]) > self.limit:
                break
            kept.insert(0, earlier)
        return kept

    def _units(self) -> Iterator[_Unit]:
        """Paragraphs in order, under their headings; those too long for a passage in pieces."""
        for start, end, headings in _sections(self.parsed):
            above = self.length(0, 0, self._fitted(headings))
            room = self.limit - above
            opens = True
            for match in _PARAGRAPH.finditer(self.parsed.text, start, end):
                length = self.tokens.count(*match.span())
                enough = above + length // -(-length // room) if length > room else 0
                cut = False
                for piece in _pieces(self.parsed.text, match.span(), self.tokens, room):
                    yield _Unit(*piece, headings, opens, cut, enough)
                    opens, cut = False, True


def _common(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    """The headings that stand above both."""
    return tuple(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _sections(parsed: ParsedDocument) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Spans between headings with the heading path above each; the heading's own line belongs below it."""
    path: list[tuple[int, str]] = []
    starts = [heading.start for heading in parsed.headings]
    yield 0, starts[0] if starts else len(parsed.text), ()
    for i, heading in enumerate(parsed.headings):
        path = [(level, text) for level, text in path if level < heading.level]
        path.append((heading.level, heading.text[:HEADING_CHARACTERS].strip()))
        end = starts[i + 1] if i + 1 < len(starts) else len(parsed.text)
        yield heading.start, end, tuple(text for _, text in path)


def _pieces(text: str, span: Span, tokens: _Tokens, room: int) -> Iterator[Span]:
    """A paragraph whole if it fits, else its lines, else its sentences, else as many words as fit."""
    start, end = _trim(text, *span)
    if start >= end:
        return
    if tokens.count(start, end) <= room:
        yield start, end
        return
    parts = [m.span() for m in _LINE.finditer(text, start, end)]
    if len(parts) == 1:
        parts = [(start + a, start + b) for a, b in sentences(text[start:end])]
    if len(parts) > 1:
        for part in parts:
            yield from _pieces(text, part, tokens, room)
        return
    while start < end:
        reach = tokens.reach(start, end, room)
        if reach < end:
            space = text.rfind(" ", start + (reach - start) // 2, reach)
            reach = space if space > start else reach
        yield _trim(text, start, reach)
        start, end = _trim(text, reach, end)


def _trim(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
