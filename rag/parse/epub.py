"""EPUB: the chapters of the spine, in reading order, as HTML."""

from posixpath import join, normpath
from urllib.parse import unquote

from rag.errors import ParseError
from rag.parse import html
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.decode import decode
from rag.parse.package import ENCRYPTED, Package, attribute, local

SUFFIXES = (".epub",)
_META = {"creator": "author", "language": "language", "publisher": "publisher", "date": "created"}


def parse(data: bytes, name: str) -> ParsedDocument:
    package = Package(data)
    opf = _package_document(package)
    root = package.xml(opf)
    title = ""
    metadata: dict[str, str] = {}
    manifest: dict[str | None, str] = {}
    spine: list[str | None] = []
    for element in root.iter():
        tag = local(element)
        if tag == "title" and not title:
            title = element.text or ""
        elif tag in _META:
            metadata.setdefault(_META[tag], element.text or "")
        elif tag == "item":
            target = normpath(join(opf.rpartition("/")[0], unquote(attribute(element, "href") or "")))
            manifest[attribute(element, "id")] = target
        elif tag == "itemref":
            spine.append(attribute(element, "idref"))
    composer = Composer()
    for key in spine:
        part = manifest.get(key, "")
        if part in package:
            markup = decode(package.read(part))
            if markup.strip():
                html.walk(html.tree(markup), composer)
                composer.gap()
    if composer.empty and "META-INF/encryption.xml" in package:
        raise ParseError(ENCRYPTED)
    return composer.finish(name, title=title, metadata=metadata)


def _package_document(package: Package) -> str:
    """Name of the OPF part."""
    if "META-INF/container.xml" in package:
        for element in package.xml("META-INF/container.xml").iter():
            path = attribute(element, "full-path") if local(element) == "rootfile" else None
            if path and path in package:
                return path
    for each in package.names:
        if each.lower().endswith(".opf"):
            return each
    raise ParseError("The file is damaged: it has no list of chapters.")
