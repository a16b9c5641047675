"""Another spelling for words that no readable passage has, taken from passages that may be read.

Words are looked up one by one as they are indexed; for one that nothing has, the index gives passages with
a word that is spelled almost so. It is a help, and no part of the answer: it ends after `BUDGET_S`, and an
index that does not answer means no suggestion.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from rag import spelling
from rag.deadline import within
from rag.errors import IndexUnavailable, SieveError
from rag.index.analyzers import terms
from rag.index.base import IndexReader
from rag.trace import Trace
from rag.types import Lexical
from search_app import access, indexes, pipelines, selectors
from search_app.access import Viewer

BUDGET_S = 0.15
MOST_WORDS = 10
"""Of a question that are looked up."""
MOST_UNKNOWN = 3
"""Words that nothing has, for which others are looked for."""
PASSAGES = 20
"""With a word alike, that are read for each."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question to ask instead, and which words are other ones in it: (typed, meant)."""

    question: str
    words: tuple[tuple[str, str], ...]


def of(trace: Trace, viewer: Viewer) -> Suggestion | None:
    """For the question as it was typed, in the collections that were asked."""
    try:
        reader = indexes.reader(pipelines.encoder())
    except SieveError:  # an answer from before can be read while neither is here
        return None
    return suggest(trace.query.text, trace.query.collections, reader, viewer)


def as_value(suggestion: Suggestion | None) -> dict[str, Any] | None:
    if suggestion is None:
        return None
    words = [{"typed": typed, "meant": meant} for typed, meant in suggestion.words]
    return {"question": suggestion.question, "words": words}


def link(trace: Trace, viewer: Viewer, chosen: Sequence[str], conversation: object) -> dict[str, str]:
    """The suggested question, and the parameters of the address that asks it; nothing where there is none."""
    suggestion = of(trace, viewer)
    if suggestion is None:
        return {}
    sent = [("q", suggestion.question), *(("collection", name) for name in chosen)]
    sent += [("conversation", str(conversation))] if conversation else []
    return {"question": suggestion.question, "query": urlencode(sent)}


def suggest(
    question: str, collections: Sequence[str], reader: IndexReader, viewer: Viewer
) -> Suggestion | None:
    """None where every word stands in something that the viewer may read, or nothing is like it."""
    until = time.monotonic() + BUDGET_S
    try:
        with within(until):
            meant = _meant(question, collections, reader, viewer, until)
    except IndexUnavailable:
        return None
    if not meant:
        return None
    return Suggestion(spelling.replaced(question, meant), tuple(meant.items()))


def _meant(
    question: str, collections: Sequence[str], reader: IndexReader, viewer: Viewer, until: float
) -> dict[str, str]:
    known = selectors.languages()
    languages = {known[name] for name in collections if name in known}
    words = [
        word
        for word in spelling.words(question, MOST_WORDS)
        if all(terms(word, language) for language in languages)  # else it is a word that nothing is found by
    ]
    if not words:
        return {}
    legs = reader.search([Lexical(word) for word in words], 1, collections)
    unknown = [
        word
        for word, leg in zip(words, legs, strict=True)
        if leg.ranking is not None and not len(leg.ranking) and not leg.partial
    ]
    meant: dict[str, str] = {}
    for word in unknown[:MOST_UNKNOWN]:
        if time.monotonic() > until:
            break
        found = reader.alike(word, PASSAGES, collections)
        allowed = access.permit_for(viewer)(found)
        texts = [passage.search_text for passage in found if passage.id in allowed]
        if other := spelling.nearest(word, texts):
            meant[word] = other
    return meant
