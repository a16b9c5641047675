"""Which passages fit the filters of a question: the last word, after an index has narrowed them down."""

from collections.abc import Iterable, Sequence

from rag.cjk import CJK_RUN
from rag.index.analyzers import PAIRED, passage_terms, terms
from rag.phrases import normal, stands_in
from rag.types import Passage

LOOKED_THROUGH = 2_000
"""So many passages with the words of a phrase are held against it, those first that fit the question best."""

_PARTS = "cjk"
"""Words of a title, and pairs of characters where there are none; nothing is stemmed or dropped."""


def known_ids(documents: Sequence[str]) -> list[str]:
    """Those that can be ids at all: half a character is none."""
    return [name for name in documents if not any("\ud800" <= c <= "\udfff" for c in name)]


def has_words(title: str) -> bool:
    return bool(terms(title, _PARTS))


def title_fits(title: str, words: str) -> bool:
    """Whether the title has all of these words; case and accents do not count."""
    return set(terms(words, _PARTS)) <= set(passage_terms(title, _PARTS))


def has_phrases(passage: Passage, phrases: Sequence[str]) -> bool:
    """Whether each of these, in their `normal` form, stands in its text, its title or a heading above it."""
    parts = [normal(part) for part in (passage.text, passage.title, *passage.headings)]
    return all(any(stands_in(phrase, part) for part in parts) for phrase in phrases)


def sure_terms(texts: Iterable[str], language: str) -> list[str]:
    """Terms that a passage in this language surely has when it has these texts word for word."""
    found = [term for text in texts for term in terms(text, language)]
    if language not in PAIRED:  # a run of such characters is one long term there, and a phrase a part of it
        found = [term for term in found if not CJK_RUN.search(term)]
    return list(dict.fromkeys(found))


def cut_off(phrases: Sequence[str]) -> str:
    """The clause that says that not every passage was looked through."""
    named = " and ".join(f"“{phrase}”" for phrase in phrases)
    return f"only the {LOOKED_THROUGH:,} likeliest passages with these words were looked through for {named}"
