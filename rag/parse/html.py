"""HTML: the blocks a reader sees, without scripts, styles and navigation."""

import re

from lxml import etree
from lxml import html as lxml_html

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.clean import one_line
from rag.parse.compose import Composer
from rag.parse.decode import decode
from rag.parse.package import text_of

SUFFIXES = (".html", ".htm", ".xhtml")
_SILENT_TAGS = (
    "script style template noscript svg canvas iframe object head select datalist textarea audio video map"
)
_SILENT = frozenset(_SILENT_TAGS.split())
_BOILERPLATE = frozenset(("nav", "footer"))
_ROLES = frozenset(("navigation", "contentinfo", "search"))
_INLINE_TAGS = (
    "a abbr acronym b bdi bdo big button cite code data del dfn em font i img input ins kbd label mark q rp"
    " rt ruby s samp small span strike strong sub sup time tt u var wbr"
)
_INLINE = frozenset(_INLINE_TAGS.split())
_META = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_HEADING = re.compile(r"h[1-6]")
_MAX_DEPTH = 250


def parse(data: bytes, name: str) -> ParsedDocument:
    found = _META.search(data[:4096])
    markup = decode(data, declared=found[1].decode("ascii") if found else None)
    root = tree(markup)
    title = root.findtext(".//head/title") or root.findtext(".//title") or ""
    composer = Composer()
    walk(root, composer)
    if composer.empty:
        walk(root, composer, keep_boilerplate=True)
    language = root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    return composer.finish(name, title=title, metadata={"language": language})


def tree(markup: str) -> etree._Element:
    """Root of the repaired tree; namespaces and comments are gone."""
    markup = _DECLARATION.sub("", markup.replace("\x00", ""))
    if not markup.strip():
        raise ParseError("The file has no text in it.")
    parser = lxml_html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        root = etree.fromstring(markup.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"The HTML cannot be read: {error.msg}.") from error
    if root is None:
        raise ParseError("The file has no text in it.")
    return root


def walk(root: etree._Element, composer: Composer, *, keep_boilerplate: bool = False) -> None:
    """Append the blocks under `root`."""
    walker = _Walker(composer, keep_boilerplate)
    walker.children(root)
    walker.flush()


class _Walker:
    """Gathers inline text until a block ends, then hands it over in the block's form."""

    def __init__(self, composer: Composer, keep_boilerplate: bool) -> None:
        self._composer = composer
        self._keep = keep_boilerplate
        self._inline: list[str] = []
        self._lists: list[list[int]] = []
        """For every list around: [next number, or 0 for bullets]."""
        self._marker: str | None = None
        self._level = 0
        self._depth = 0

    def children(self, element: etree._Element) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._inline.append(text_of(element, " "))
        else:
            self._inline.append(_collapse(element.text))
            for child in element:
                self._element(child)
                self._inline.append(_collapse(child.tail))
        self._depth -= 1

    def flush(self) -> None:
        """End the block: its lines are those of `<br>`."""
        text = "\n".join(line.strip() for line in "".join(self._inline).split("\n")).strip()
        text = re.sub("  +", " ", text)
        self._inline.clear()
        if not text:
            return
        if self._level:
            self._composer.heading(text, self._level)
        elif self._lists:
            self._composer.item(text, len(self._lists) - 1, self._marker or " ")
            self._marker = None
        else:
            self._composer.paragraph(text)

    def _element(self, element: etree._Element) -> None:
        tag = element.tag.rpartition(":")[2] if isinstance(element.tag, str) else ""
        if tag in _SILENT or not tag or self._hidden(element, tag):
            return
        if tag == "br":
            self._inline.append("\n")
        elif tag in _INLINE:
            self.children(element)
        elif _HEADING.fullmatch(tag):
            self._block(element, level=int(tag[1]))
        elif tag in ("ul", "ol", "menu", "dir"):
            self._list(element, tag)
        elif tag == "li":
            self._item(element)
        elif tag == "table":
            self._table(element)
        elif tag == "pre":
            self.flush()
            self._composer.paragraph(text_of(element))
        else:
            self._block(element)

    def _block(self, element: etree._Element, level: int = 0) -> None:
        self.flush()
        outer, self._level = self._level, level or self._level
        self.children(element)
        self.flush()
        self._level = outer

    def _list(self, element: etree._Element, tag: str) -> None:
        self.flush()
        if not self._lists:
            self._composer.gap()
        start = element.get("start") or "1"
        self._lists.append([int(start) if tag == "ol" and start.isdecimal() else int(tag == "ol")])
        outer, self._marker = self._marker, None
        self.children(element)
        self.flush()
        self._lists.pop()
        self._marker = outer

    def _item(self, element: etree._Element) -> None:
        self.flush()
        stray = not self._lists
        if stray:
            self._lists.append([0])
        numbers = self._lists[-1]
        self._marker = f"{numbers[0]}." if numbers[0] else "-"
        numbers[0] += bool(numbers[0])
        self.children(element)
        self.flush()
        self._marker = None
        if stray:
            self._lists.clear()

    def _table(self, element: etree._Element) -> None:
        self.flush()
        self._composer.gap()
        if element.find(".//table") is not None:
            # A table around tables is page layout: its cells are blocks.
            self._block(element)
            return
        for row in element.iter("tr", "caption"):
            if row.tag == "caption":
                self._composer.paragraph(_text(row))
            else:
                self._composer.row(_text(cell) for cell in row if cell.tag in ("td", "th"))
        self._composer.gap()

    def _hidden(self, element: etree._Element, tag: str) -> bool:
        if "hidden" in element.attrib:
            return True
        return not self._keep and (tag in _BOILERPLATE or element.get("role") in _ROLES)


def _text(element: etree._Element) -> str:
    """Text of a table cell on one line."""
    parts: list[str] = []
    for node in element.iter():
        silent = node.tag in _SILENT or not isinstance(node.tag, str)
        if node is not element and node.tag not in _INLINE:
            parts.append(" ")
        if node.text and not silent:
            parts.append(node.text)
        if node is not element and node.tail:
            parts.append(node.tail if node.tag in _INLINE else " " + node.tail)
    return one_line("".join(parts))


def _collapse(text: str | None) -> str:
    return re.sub(r"[ \t\r\n\f]+", " ", text) if text else ""
