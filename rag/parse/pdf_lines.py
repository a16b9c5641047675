"""Lines of a PDF page with their place and size, and the paragraphs they form."""

import re
from collections.abc import Collection, Iterable, Iterator
from ctypes import c_int, c_ushort, create_string_buffer
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as raw

_HYPHEN = "\ufffe"
"""pdfium's mark for a hyphen at the end of a line; the line end itself is then left out."""
_SPLIT_WORD = re.compile(rf"([\w-]*){_HYPHEN}[\r\n]*([\w-]*)")
_WORD = re.compile(r"[\w-]+")
_BOLD_NAME = re.compile(rb"bold|black|heavy|CMBX|-Medi", re.IGNORECASE)
_LIST_START = re.compile(r"(?:[-–•‣▪◦●○∙·*]|\(?(?:\d{1,3}|[a-z]|[ivx]+)[.)])\s")
_CLOSE = 1.6
"""Lines of one block are at most this many line heights apart."""
_ALIKE = 0.08
"""Sizes of one paragraph differ by no more: italics are measured a little differently."""
BOLD = 1.3
"""So much heavier is bold. Weights are estimates from the thickness of stems."""
_INDENT = 25.0
_RAGGED = 0.18
"""A line that ends this share of its column's width before the edge ends its paragraph."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; coordinates in points from the lower left corner of the page."""

    text: str
    left: float
    right: float
    bottom: float
    end_bottom: float
    """Of its last character: a line that ends in a hyphenated word reaches into the next one."""
    size: float
    weight: int
    """Of its lighter end, on the scale where 400 is plain and 700 bold."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together, joined by spaces where a sentence runs on, else by line ends."""

    text: str
    size: float
    weight: int


def raw_text(page: pdfium.PdfTextPage) -> str:
    """The page's characters, one UTF-16 unit each, so that an index here is pdfium's index."""
    number = page.count_chars()
    if number <= 0:
        return ""
    buffer = (c_ushort * (number + 1))()
    written: int = raw.FPDFText_GetText(page, 0, number, buffer)
    return "".join(map(chr, buffer[: max(0, written - 1)]))


def lines_of(page: pdfium.PdfTextPage, text: str, words: Collection[str]) -> Iterator[Line]:
    """Lines in pdfium's reading order. `words` decides which hyphens at line ends stay."""
    number = page.count_chars()
    for match in re.finditer(r"[^\r\n]+", text):
        stripped = match[0].strip()
        if not stripped:
            continue
        first = match.start() + match[0].index(stripped[0])
        last = min(first + len(stripped) - 1, number - 1)
        try:
            left, bottom, _, top = page.get_charbox(first, loose=True)
            _, end_bottom, right, _ = page.get_charbox(last, loose=True)
        except pdfium.PdfiumError:
            left = bottom = right = top = end_bottom = 0.0
        joined = stripped.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        weight = min(_weight(page, place) for place in (first, last))
        size = round((top - bottom) * 2) / 2
        yield Line(mend(joined, words), left, right, bottom, end_bottom, size, weight)


def _weight(page: pdfium.PdfTextPage, place: int) -> int:
    """By the font's name if it says bold, else pdfium's estimate; standard fonts have none."""
    buffer, flags = create_string_buffer(128), c_int()
    raw.FPDFText_GetFontInfo(page, place, buffer, len(buffer), flags)
    if _BOLD_NAME.search(buffer.value):
        return 700
    estimate: int = raw.FPDFText_GetFontWeight(page, place)
    return estimate if estimate > 0 else 400


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Words that stand whole somewhere, in lower case: evidence for joining the two halves of another."""
    return frozenset(word.lower() for text in texts for word in _WORD.findall(text))


def mend(text: str, words: Collection[str]) -> str:
    """Undo hyphenation: the joined word, unless only the hyphenated one is known."""

    def join(match: re.Match[str]) -> str:
        head, tail = match[1], match[2]
        whole, hyphened = head + tail, f"{head}-{tail}"
        if not head or not tail or not tail[0].islower():
            return hyphened
        if whole.lower() not in words and hyphened.lower() in words:
            return hyphened
        return whole

    return _SPLIT_WORD.sub(join, text)


def paragraphs(lines: list[Line]) -> Iterator[Block]:
    """Blocks of a page, in order."""
    texts: list[str] = []
    before: Line | None = None
    for line in lines:
        if before is not None and not _together(before, line):
            yield Block("".join(texts), before.size, before.weight)
            texts = []
        elif before is not None:
            texts.append(" " if _runs_on(before, line, lines) else "\n")
        texts.append(line.text)
        before = line
    if before is not None:
        yield Block("".join(texts), before.size, before.weight)


def _together(before: Line, line: Line) -> bool:
    drop = before.end_bottom - line.bottom
    if abs(drop) < 0.5 * line.size:
        return True
    height = max(before.size, line.size)
    alike = abs(before.size - line.size) <= _ALIKE * height
    return 0 < drop < _CLOSE * height and alike and not _bolder(before, line) and not _bolder(line, before)


def _bolder(one: Line, other: Line) -> bool:
    return one.weight > BOLD * other.weight


def _runs_on(before: Line, line: Line, lines: list[Line]) -> bool:
    if _LIST_START.match(line.text):
        return False
    column = [other for other in lines if abs(other.left - before.left) <= _INDENT]
    edge = max(other.right for other in column)
    return before.right >= edge - _RAGGED * (edge - before.left)
