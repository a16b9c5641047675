"""Puts a document's text together block by block, and knows where each heading and page begins."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from rag.errors import ParseError
from rag.parse.base import Heading, ParsedDocument
from rag.parse.clean import clean, one_line

MAX_CHARACTERS = 10_000_000
"""Longest text of one document: that of about fifteen long novels."""
MAX_TITLE = 300
_JUNK_TITLE = re.compile(
    r"(microsoft (word|powerpoint|excel) - .*|powerpoint presentation|untitled.*|document ?\d*|title|"
    r"slide 1|.*\.(docx?|pptx?|xlsx?|tex|dvi|qxd|indd|fm))",
    re.IGNORECASE,
)


class Composer:
    """Blocks are cleaned one by one as they come, so that every position is final when it is noted.

    List items and table rows stand on lines of their own; an empty line parts other blocks.
    """

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.pages: list[int] = []
        self._parts: list[str] = []
        self._length = 0
        self._last = ""
        self._waiting_pages = 0

    @property
    def empty(self) -> bool:
        return not self._parts

    def heading(self, text: str, level: int) -> None:
        """A heading is one line; level 1 is outermost."""
        text = one_line(text)
        if text:
            start = self._add("heading", text)
            if start is not None:
                self.headings.append(Heading(start, max(1, level), text))

    def paragraph(self, text: str) -> None:
        self._add("paragraph", text)

    def line(self, text: str) -> None:
        """A line that stays together with the lines before and after it."""
        self._add("line", text)

    def item(self, text: str, depth: int = 0, marker: str = "-") -> None:
        """A list item; `depth` 0 is the outermost list."""
        lines = clean(text).strip().split("\n")
        indent = "  " * min(depth, 12)
        rest = "".join(f"\n{indent}  {line}" for line in lines[1:] if line)
        if lines[0]:
            self._add("item", f"{indent}{marker} {lines[0]}{rest}")

    def row(self, cells: Iterable[str]) -> None:
        """A table row: cells joined by ` | `; empty cells at the end are left out."""
        texts = [one_line(cell) for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        self._add("row", " | ".join(texts))

    def gap(self) -> None:
        """End a list or a table: what follows is another one."""
        self._last = ""

    def page(self) -> None:
        """A page begins at the next block."""
        self._waiting_pages += 1
        self.gap()

    def embed(self, document: ParsedDocument, *, level: int) -> None:
        """Append the text of another document; its headings go `level` levels deeper, its pages go."""
        start = self._add("", document.text)
        if start is not None:
            for inner in document.headings:
                self.headings.append(Heading(inner.start + start, inner.level + level, inner.text))

    def finish(
        self, name: str, *, title: str = "", metadata: Mapping[str, str] | None = None
    ) -> ParsedDocument:
        """The document. Without a usable title its first heading is the title, else the file's name.

        Raises `ParseError` when there is no text at all.
        """
        if self.empty:
            raise ParseError("The file has no text in it.")
        self.pages.extend([self._length] * self._waiting_pages)
        self._waiting_pages = 0
        return ParsedDocument(
            title=_title(title, self.headings, name),
            text="".join(self._parts),
            headings=tuple(self.headings),
            pages=tuple(self.pages),
            metadata={key: one_line(value) for key, value in (metadata or {}).items() if one_line(value)},
        )

    def _add(self, kind: str, text: str) -> int | None:
        text = clean(text).strip("\n")
        if not text.strip():
            return None
        separator = ""
        if self._parts:
            separator = "\n" if kind == self._last and kind in ("item", "row", "line") else "\n\n"
        start = self._length + len(separator)
        self._length = start + len(text)
        if self._length > MAX_CHARACTERS:
            raise ParseError(
                f"The file holds more than {MAX_CHARACTERS:,} characters of text."
                " Split it into smaller files."
            )
        self._parts += (separator, text)
        self._last = kind
        self.pages.extend([start] * self._waiting_pages)
        self._waiting_pages = 0
        return start


def _title(declared: str, headings: list[Heading], name: str) -> str:
    declared = one_line(declared)
    if not declared or _JUNK_TITLE.fullmatch(declared):
        declared = headings[0].text if headings else ""
    return (declared or one_line(PurePosixPath(name).stem) or "Untitled")[:MAX_TITLE]
