"""XML of any kind: the text of each element that holds text, one block each."""

from lxml import etree

from rag.parse import html
from rag.parse.base import ParsedDocument
from rag.parse.clean import one_line
from rag.parse.compose import Composer
from rag.parse.decode import decode
from rag.parse.package import local, parse_xml, text_of

SUFFIXES = (".xml",)
_MAX_DEPTH = 200


def parse(data: bytes, name: str) -> ParsedDocument:
    """XHTML is read as HTML. Entities are never expanded."""
    root = parse_xml(data)
    composer = Composer()
    if local(root) == "html":
        html.walk(html.tree(decode(data)), composer)
    else:
        _blocks(root, composer, 0)
    title = next((e.text for e in root.iter() if local(e) == "title" and e.text), "")
    return composer.finish(name, title=title or "")


def _blocks(element: etree._Element, composer: Composer, depth: int) -> None:
    """An element with text between its children is one block; else its children are."""
    if not isinstance(element.tag, str):
        return  # An entity reference: what it stands for is not looked up.
    mixed = bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
    if mixed or not len(element) or depth > _MAX_DEPTH:
        composer.paragraph(one_line(text_of(element)))
    else:
        for child in element:
            _blocks(child, composer, depth + 1)
