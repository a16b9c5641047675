"""Markdown: rendered to HTML and read as such, so that both formats give the same text."""

import re

from markdown_it import MarkdownIt

from rag.parse import html
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.decode import decode

SUFFIXES = (".md", ".markdown", ".mdown")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*['\"]?(.+?)['\"]?[ \t]*$", re.MULTILINE | re.IGNORECASE)
_KEY = re.compile(r"^\w[\w -]*:", re.MULTILINE)


def parse(data: bytes, name: str) -> ParsedDocument:
    """CommonMark with tables and strikethrough; a title in the front matter is the title."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    title = ""
    if (front := _FRONT_MATTER.match(text)) and _KEY.search(front[1]):
        found = _TITLE.search(front[1])
        title = found[1] if found else ""
        text = text[front.end() :]
    markup = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    composer = Composer()
    html.walk(html.tree(markup), composer)
    return composer.finish(name, title=title)
