"""Word documents, read from their XML: headings by style, lists, tables, notes and text boxes."""

from collections.abc import Iterator

from lxml import etree

from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.docx_styles import Numbering, Styles
from rag.parse.package import Package, attribute, core_properties, local, main_part, relations

SUFFIXES = (".docx", ".docm", ".dotx")
_SILENT = "del moveFrom instrText delText delInstrText rPr pPr tcPr tblPr trPr sectPr fldData annotationRef"
_SKIPPED = frozenset(_SILENT.split())
_NOTES = {"footnotes": "footnote", "endnotes": "endnote"}
_MAX_DEPTH = 100


def parse(data: bytes, name: str) -> ParsedDocument:
    package = Package(data)
    part = main_part(package, "word/document.xml")
    root = package.xml(part)
    parts = {kind: target for kind, target in relations(package, part).values() if target in package}
    composer = Composer()
    reader = _Reader(
        composer,
        Styles(package.xml(parts["styles"]) if "styles" in parts else None),
        Numbering(package.xml(parts["numbering"]) if "numbering" in parts else None),
    )
    reader.blocks(root)
    for kind in _NOTES:
        if kind in parts:
            composer.gap()
            reader.notes(package.xml(parts[kind]), _NOTES[kind])
    title, metadata = core_properties(package)
    return composer.finish(name, title=title, metadata=metadata)


class _Reader:
    def __init__(self, composer: Composer, styles: Styles, numbering: Numbering) -> None:
        self._composer = composer
        self._styles = styles
        self._numbering = numbering
        self._boxes: list[etree._Element] = []

    def blocks(self, parent: etree._Element, depth: int = 0) -> None:
        """Append paragraphs and tables under `parent`, whatever wraps them."""
        for element in parent:
            tag = local(element)
            if tag == "p":
                self._paragraph(element, depth)
            elif tag == "tbl":
                self._table(element, depth)
            elif tag == "AlternateContent":
                self.blocks(_choice(element), depth + 1)
            elif tag not in _SKIPPED and len(element) and depth < _MAX_DEPTH:
                self.blocks(element, depth + 1)

    def notes(self, root: etree._Element, tag: str) -> None:
        """Append foot- or endnotes, without the separators that Word keeps beside them."""
        for note in root:
            if local(note) == tag and attribute(note, "type") in (None, "normal"):
                text = " ".join(self._text(p) for p in note.iter() if local(p) == "p").strip()
                self._composer.item(text, 0, f"[{attribute(note, 'id')}]")

    def _paragraph(self, element: etree._Element, depth: int) -> None:
        text = self._text(element)
        boxes, self._boxes = self._boxes, []
        properties = next((child for child in element if local(child) == "pPr"), None)
        style = self._styles.of(properties)
        if level := style.heading:
            number = self._numbering.marker(style, properties)
            self._composer.heading(f"{number[1]} {text}" if number and number[1] != "-" else text, level)
        elif text.strip() and (marker := self._numbering.marker(style, properties)):
            self._composer.item(text.strip(), *marker)
        else:
            self._composer.paragraph(text)
        for box in boxes:
            if depth < _MAX_DEPTH:
                self.blocks(box, depth + 1)

    def _table(self, element: etree._Element, depth: int) -> None:
        self._composer.gap()
        for row in _inside(element, "tr"):
            self._composer.row(self._cell(cell) for cell in _inside(row, "tc"))
        self._composer.gap()
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            if depth < _MAX_DEPTH:
                self.blocks(box, depth + 1)

    def _cell(self, cell: etree._Element) -> str:
        # Tables inside a cell are read in its line.
        return " ".join(self._text(p) for p in cell.iter() if local(p) == "p" and not _in_box(p, cell))

    def _text(self, paragraph: etree._Element) -> str:
        """Text of the paragraph's runs as after accepting all changes; text boxes are put aside."""
        parts: list[str] = []
        stack = list(reversed(paragraph))
        while stack:
            element = stack.pop()
            match local(element):
                case "t":
                    parts.append(element.text or "")
                case "tab" | "ptab":
                    parts.append("\t")
                case "br" | "cr":
                    parts.append("\n")
                case "noBreakHyphen":
                    parts.append("-")
                case "footnoteReference" | "endnoteReference":
                    parts.append(f"[{attribute(element, 'id')}]")
                case "txbxContent":
                    self._boxes.append(element)
                case "AlternateContent":
                    stack.append(_choice(element))
                case tag if tag not in _SKIPPED and tag != "p":
                    stack.extend(reversed(element))
        return "".join(parts)


def _choice(element: etree._Element) -> etree._Element:
    """One of the renderings of the same content; the fallback has its text in the older, plain form."""
    options = {local(child): child for child in element}
    for tag in ("Choice", "Fallback"):
        option = options.get(tag)
        if option is not None and any(local(inner) == "t" for inner in option.iter()):
            return option
    return options.get("Choice", element if "Choice" not in options and not len(element) else element[0])


def _inside(parent: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Children of that tag, also those in content controls and tracked insertions."""
    for child in parent:
        here = local(child)
        if here == tag:
            yield child
        elif here in ("sdt", "sdtContent", "ins", "customXml", "smartTag"):
            yield from _inside(child, tag)


def _in_box(element: etree._Element, stop: etree._Element) -> bool:
    for above in element.iterancestors():
        if above is stop:
            return False
        if local(above) == "txbxContent":
            return True
    return False
