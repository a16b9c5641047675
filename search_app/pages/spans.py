"""Cutting text at character spans. Pieces joined are always the text they were cut from."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_BREAK = re.compile(r"[ \t]*(\n[ \t\n]*)(?=([-*•–] |\d{1,3}[.)] )?)")
"""A line end, and whether an item of a list follows."""
_BEGIN = re.compile(r"[.!?]\s+|\n\s*")
"""The end of a sentence or a line: a good place to begin after."""


class Piece(NamedTuple):
    """A run of characters; `cited` where a span covers it."""

    text: str
    cited: bool


def merged(spans: Iterable[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Spans within `[0, length)`, in order, overlapping and touching ones joined, empty ones dropped."""
    result: list[tuple[int, int]] = []
    for start, end in sorted((max(0, a), min(length, b)) for a, b in spans):
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def cut(text: str, spans: Iterable[tuple[int, int]]) -> list[Piece]:
    """Text in pieces, those covered by a span marked as cited."""
    pieces: list[Piece] = []
    at = 0
    for start, end in merged(spans, len(text)):
        if at < start:
            pieces.append(Piece(text[at:start], False))
        pieces.append(Piece(text[start:end], True))
        at = end
    if at < len(text):
        pieces.append(Piece(text[at:], False))
    return pieces


def excerpt(pieces: list[Piece], around: int, limit: int) -> tuple[list[Piece], bool, bool]:
    """The part worth showing beside an answer, and whether something was left out before and after.

    With citations: everything between the first and the last, about `around` characters each side, and at
    least about `limit` in all. Without: about the first `limit` characters. Cut at a
    sentence or at white space where there is some near.
    """
    text = "".join(piece.text for piece in pieces)
    first, last, at = None, 0, 0
    for piece in pieces:
        if piece.cited:
            first = at if first is None else first
            last = at + len(piece.text)
        at += len(piece.text)
    if first is None:
        start, end = 0, _cut_after(text, limit)
    else:
        start, end = (
            _cut_before(text, first - around),
            _cut_after(text, max(last + around, first - around + limit)),
        )
    shown: list[Piece] = []
    at = 0
    for piece in pieces:
        part = piece.text[max(0, start - at) : max(0, end - at)]
        at += len(piece.text)
        if part:
            shown.append(Piece(part, piece.cited))
    return shown, bool(text[:start].strip()), bool(text[end:].strip())


def unwrapped(text: str) -> str:
    """Text for a narrow column: lines that only wrapped are joined, paragraphs and list items keep theirs."""
    return _BREAK.sub(lambda found: "\n" if found[1].count("\n") > 1 or found[2] else " ", text)


def _cut_before(text: str, at: int) -> int:
    if at <= 0:
        return 0
    begin = _BEGIN.search(text, at, at + 60)
    if begin:
        return begin.end()
    space = text.find(" ", at, at + 24)
    return at if space < 0 else space + 1


def _cut_after(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = text.rfind(" ", max(0, at - 24), at)
    return at if space < 0 else space
