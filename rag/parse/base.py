"""What a parser gives: one plain text, and where its headings and pages begin in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that begins at character `start` of the text; level 1 is outermost."""

    start: int
    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """The text of a document as it is stored, searched, cited and shown.

    All positions are characters of `text`, which is NFC, has `\\n` line ends, no NUL and no control
    characters but `\\n` and `\\t`. Headings stand in the text too, in order of `start`. `pages[i]` is
    where page `i + 1` begins; empty where the format has no pages (slides and sheets count as pages).
    """

    title: str
    text: str
    headings: tuple[Heading, ...] = ()
    pages: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


class Parser(Protocol):
    """A file format family is a module with these two names."""

    SUFFIXES: tuple[str, ...]

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Read one file. `name` is used for a title and for nothing else, never as a path.

        Raises `ParseError` with a plain reason when the file cannot be read.
        """
        ...
