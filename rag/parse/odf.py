"""OpenDocument: texts, and the slides and sheets of presentations and spreadsheets as pages."""

from lxml import etree

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.package import ENCRYPTED, Package, attribute, local, text_of

SUFFIXES = (".odt", ".odp", ".ods")
_SKIPPED_TAGS = (
    "tracked-changes annotation annotation-end forms script scripts event-listeners bibliography-source "
    "table-of-content-source sequence-decls variable-decls user-field-decls settings"
)
_SKIPPED = frozenset(_SKIPPED_TAGS.split())
_META = {"creator": "author", "initial-creator": "author", "subject": "subject", "date": "modified"}
_MAX_DEPTH = 200
_MAX_REPEAT = 1_000


def parse(data: bytes, name: str) -> ParsedDocument:
    package = Package(data)
    if "META-INF/manifest.xml" in package and b"encryption-data" in package.read("META-INF/manifest.xml"):
        raise ParseError(ENCRYPTED)
    root = package.xml("content.xml")
    body = next((element for element in root if local(element) == "body"), None)
    if body is None:
        raise ParseError("The file is damaged: it has no body.")
    composer = Composer()
    reader = _Reader(composer, _ordered_lists(package, root))
    reader.blocks(body, 0)
    reader.notes()
    title, metadata = _properties(package)
    return composer.finish(name, title=title, metadata=metadata)


def _ordered_lists(package: Package, root: etree._Element) -> dict[str, set[int]]:
    """List style name to its numbered levels, from 1."""
    found: dict[str, set[int]] = {}
    roots = [root] + ([package.xml("styles.xml")] if "styles.xml" in package else [])
    for element in (element for each in roots for element in each.iter()):
        if local(element) == "list-style":
            levels = (
                e for e in element if local(e) == "list-level-style-number" and attribute(e, "num-format")
            )
            found[attribute(element, "name") or ""] = {int(attribute(e, "level") or 1) for e in levels}
    return found


class _Reader:
    def __init__(self, composer: Composer, ordered: dict[str, set[int]]) -> None:
        self._composer = composer
        self._ordered = ordered
        self._notes: list[tuple[str, str]] = []
        self._frames: list[etree._Element] = []

    def blocks(self, parent: etree._Element, depth: int) -> None:
        for element in parent:
            tag = local(element)
            if tag == "h":
                level = attribute(element, "outline-level") or "1"
                self._composer.heading(self._text(element), int(level) if level.isdecimal() else 1)
                self._flush_frames(depth)
            elif tag == "p":
                self._composer.paragraph(self._text(element))
                self._flush_frames(depth)
            elif tag == "list":
                self._composer.gap()
                self._list(element, 0, "")
                self._composer.gap()
            elif tag == "table":
                self._table(element, local(parent))
            elif tag == "page":
                self._composer.page()
                self.blocks(element, depth + 1)
            elif tag and tag not in _SKIPPED and depth < _MAX_DEPTH:
                self.blocks(element, depth + 1)

    def notes(self) -> None:
        """Append the foot- and endnotes met so far."""
        self._composer.gap()
        for mark, text in self._notes:
            self._composer.item(text, 0, f"[{mark}]")

    def _flush_frames(self, depth: int) -> None:
        frames, self._frames = self._frames, []
        for frame in frames:
            if depth < _MAX_DEPTH:
                self.blocks(frame, depth + 1)

    def _list(self, element: etree._Element, level: int, style: str) -> None:
        style = attribute(element, "style-name") or style
        numbered = level + 1 in self._ordered.get(style, ())
        number = 0
        for item in element:
            if local(item) not in ("list-item", "list-header"):
                continue
            number += 1
            marker = f"{number}." if numbered else "-"
            for child in item:
                if local(child) in ("p", "h"):
                    self._composer.item(self._text(child), level, marker)
                    marker = " "
                elif local(child) == "list" and level < _MAX_DEPTH:
                    self._list(child, level + 1, style)

    def _table(self, table: etree._Element, parent_tag: str) -> None:
        if parent_tag == "spreadsheet":
            self._composer.page()
            self._composer.heading(attribute(table, "name") or "", 1)
        self._composer.gap()
        for row in table.iter():
            if local(row) == "table-row":
                self._composer.row(self._cells(row))
        self._composer.gap()

    def _cells(self, row: etree._Element) -> list[str]:
        cells: list[str] = []
        for cell in row:
            if local(cell) in ("table-cell", "covered-table-cell"):
                repeat = attribute(cell, "number-columns-repeated") or "1"
                text = " ".join(self._text(p) for p in cell.iter() if local(p) in ("p", "h"))
                # Empty cells repeat to the edge of the sheet, where `row` cuts them off.
                cells += [text] * min(int(repeat) if repeat.isdecimal() else 1, _MAX_REPEAT)
        return cells

    def _text(self, paragraph: etree._Element) -> str:
        parts: list[str] = []
        stack: list[etree._Element | str] = [paragraph]
        while stack:
            element = stack.pop()
            if isinstance(element, str):
                parts.append(element)
                continue
            tag = local(element)
            if element is not paragraph and element.tail:
                stack.append(element.tail)
            if tag == "s":
                count = attribute(element, "c") or "1"
                parts.append(" " * min(int(count) if count.isdecimal() else 1, 100))
            elif tag == "tab":
                parts.append("\t")
            elif tag == "line-break":
                parts.append("\n")
            elif tag == "note":
                parts.append(self._note(element))
            elif tag == "frame" or tag == "custom-shape":
                self._frames.append(element)
            elif tag and tag not in _SKIPPED:
                stack.extend(reversed(element))
                if element.text:
                    stack.append(element.text)
        return "".join(parts)

    def _note(self, note: etree._Element) -> str:
        parts = {local(child): child for child in note}
        mark = text_of(parts["note-citation"]) if "note-citation" in parts else "*"
        if "note-body" in parts:
            self._notes.append((mark, " ".join(text_of(p) for p in parts["note-body"])))
        return f"[{mark}]"


def _properties(package: Package) -> tuple[str, dict[str, str]]:
    title, found = "", {}
    if "meta.xml" in package:
        for element in package.xml("meta.xml").iter():
            tag = local(element)
            if tag == "title":
                title = element.text or ""
            elif tag in _META:
                found[_META[tag]] = element.text or ""
    return title, found
