"""PowerPoint: every slide is a page, its title a heading; notes follow their slide."""

from collections.abc import Iterator

from lxml import etree

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.package import Package, attribute, core_properties, local, main_part, relations

SUFFIXES = (".pptx", ".pptm", ".ppsx")
_FURNITURE = frozenset(("dt", "ftr", "sldNum", "hdr", "sldImg"))
_TITLES = {"title": 2, "ctrTitle": 1}
_INNER_HEADING = 3
_MAX_DEPTH = 50
_MAX_HEADING = 100


def parse(data: bytes, name: str) -> ParsedDocument:
    package = Package(data)
    composer = Composer()
    slides = list(_slides(package))
    for part in slides:
        composer.page()
        _Slide(composer).read(package.xml(part))
        for kind, target in relations(package, part).values():
            if kind == "notesSlide" and target in package:
                _Slide(composer, titles=False).read(package.xml(target))
    if not slides:
        raise ParseError("The presentation has no slides.")
    title, metadata = core_properties(package)
    return composer.finish(name, title=title, metadata=metadata)


def _slides(package: Package) -> Iterator[str]:
    """Slide parts in the order of the presentation."""
    main = main_part(package, "ppt/presentation.xml")
    targets = relations(package, main)
    for element in package.xml(main).iter():
        if local(element) == "sldId":
            identity = [v for k, v in element.attrib.items() if str(k).endswith("}id")]
            kind, target = targets.get(str(identity[0]) if identity else "", ("", ""))
            if kind == "slide" and target in package:
                yield target


class _Slide:
    def __init__(self, composer: Composer, *, titles: bool = True) -> None:
        self._composer = composer
        self._titles = titles

    def read(self, root: etree._Element) -> None:
        shapes = list(_shapes(root, 0))
        # Titles often stand last in the file, since that is when they were drawn.
        shapes.sort(key=lambda shape: _placeholder(shape) not in _TITLES)
        for shape in shapes:
            kind = _placeholder(shape)
            if kind in _FURNITURE:
                continue
            self._composer.gap()
            if local(shape) == "graphicFrame":
                self._table(shape)
            elif self._titles and kind in _TITLES:
                text = " ".join(_text(p) for p in shape.iter() if local(p) == "p")
                self._composer.heading(text, _TITLES[kind])
            else:
                self._paragraphs(shape, bullets=self._titles and kind in ("body", "obj"))

    def _paragraphs(self, shape: etree._Element, *, bullets: bool) -> None:
        counts: dict[int, int] = {}
        for element in shape.iter():
            if local(element) != "p":
                continue
            properties = next((child for child in element if local(child) == "pPr"), None)
            marks = {local(child) for child in properties} if properties is not None else set()
            level = attribute(properties, "lvl") if properties is not None else None
            depth = int(level) if level and level.isdecimal() else 0
            text = _text(element)
            if not text.strip():
                continue
            number = _count(counts, depth, properties) if "buAutoNum" in marks else 0
            if not number:
                counts = {level: n for level, n in counts.items() if level < depth}
            if self._titles and _set_off(element, marks) and len(text) <= _MAX_HEADING:
                self._composer.heading(text, _INNER_HEADING)
            elif number:
                self._composer.item(text, depth, f"{number}.")
            elif "buChar" in marks or (bullets and "buNone" not in marks):
                self._composer.item(text, depth)
            else:
                self._composer.paragraph(text)

    def _table(self, frame: etree._Element) -> None:
        for row in frame.iter():
            if local(row) == "tr":
                self._composer.row(
                    " ".join(_text(p) for p in cell.iter() if local(p) == "p")
                    for cell in row
                    if local(cell) == "tc"
                )


def _shapes(parent: etree._Element, depth: int) -> Iterator[etree._Element]:
    """Shapes with text and tables, those in groups too, in drawing order."""
    for element in parent:
        tag = local(element)
        if tag in ("sp", "graphicFrame"):
            yield element
        elif depth < _MAX_DEPTH and tag in ("cSld", "spTree", "grpSp", "AlternateContent", "Choice"):
            yield from _shapes(element, depth + 1)


def _placeholder(shape: etree._Element) -> str:
    """Type of the placeholder that the shape fills; a placeholder without a type is the body."""
    for properties in shape:
        if local(properties) in ("nvSpPr", "nvGraphicFramePr"):
            for element in properties.iter():
                if local(element) == "ph":
                    return attribute(element, "type") or "obj"
    return ""


def _count(counts: dict[int, int], depth: int, properties: etree._Element | None) -> int:
    """The item's number; items of deeper lists begin anew after it."""
    automatic = (
        next((c for c in properties if local(c) == "buAutoNum"), None) if properties is not None else None
    )
    start = automatic.get("startAt") if automatic is not None else None
    first = int(start) if start and start.isdecimal() and len(start) < 6 else 1
    for deeper in [level for level in counts if level > depth]:
        del counts[deeper]
    counts[depth] = max(counts.get(depth, 0) + 1, first)
    return counts[depth]


def _set_off(paragraph: etree._Element, marks: set[str]) -> bool:
    """All bold, no bullet, and space before it: a heading inside the slide."""
    runs = [child for child in paragraph if local(child) == "r"]
    properties = [next((c for c in run if local(c) == "rPr"), None) for run in runs]
    bold = [one is not None and one.get("b") in ("1", "true") for one in properties]
    return bool(runs) and all(bold) and {"buNone", "spcBef"} <= marks


def _text(paragraph: etree._Element) -> str:
    parts = []
    for element in paragraph.iter():
        tag = local(element)
        if tag == "t":
            parts.append(element.text or "")
        elif tag == "br":
            parts.append("\n")
    return "".join(parts)
