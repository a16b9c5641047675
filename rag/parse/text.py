"""Plain text: paragraphs as they stand."""

from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.decode import decode

SUFFIXES = (".txt", ".text", ".log")


def parse(data: bytes, name: str) -> ParsedDocument:
    """One file; form feeds part pages."""
    text = decode(data)
    composer = Composer()
    pages = text.rstrip("\f\n ").split("\f")
    for page in pages:
        if len(pages) > 1:
            composer.page()
        composer.paragraph(page)
    return composer.finish(name)
