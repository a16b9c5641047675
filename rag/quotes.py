"""What of the passages can be quoted: their sentences, each once, with the place where it stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rag.sentences import sentences
from rag.types import Passage, with_context

FRAGMENT = 12
"""A sentence of fewer characters and fewer than three words says nothing alone: it is read with the next."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a passage of the context."""

    marker: int
    passage: Passage
    start: int
    end: int
    """First and past-the-last character in the passage's text."""

    @property
    def text(self) -> str:
        return self.passage.text[self.start : self.end]

    @property
    def read(self) -> str:
        """As a model reads it: under the title and the headings of its passage."""
        return with_context(self.passage.title, self.passage.headings, self.text)


def quotes(context: Sequence[Passage]) -> list[Quote]:
    """Sentences in the order of the context; one that stands in several passages is taken once.

    `context[i]` has the marker `i + 1`.
    """
    found: dict[str, Quote] = {}
    for marker, passage in enumerate(context, start=1):
        for start, end in whole(passage.text):
            words = " ".join(passage.text[start:end].casefold().split())
            if any(letter.isalnum() for letter in words):
                found.setdefault(words, Quote(marker, passage, start, end))
    return list(found.values())


def whole(text: str) -> Iterator[tuple[int, int]]:
    """Sentences, with fragments such as the word that a glossary explains joined to what follows in line."""
    begin: int | None = None
    spans = sentences(text)
    for (start, end), after in zip_longest(spans, spans[1:]):
        begin = start if begin is None else begin
        fragment = end - begin < FRAGMENT and len(text[begin:end].split()) < 3
        if fragment and after is not None and "\n" not in text[end : after[0]]:
            continue
        yield begin, end
        begin = None
