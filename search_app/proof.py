"""The proof that a document can be found: by its own words, by its own meaning, inside its collection."""

import re
from collections.abc import Sequence

from rag.encode.base import Floats
from rag.index.analyzers import terms
from rag.index.base import IndexReader
from rag.types import Dense, Lexical, Passage, Subquery

WORDS = 8
"""Of a passage's words the longest, which are the rarest: a query like one that a person might write."""
WORD_LENGTH = 50
"""Longer runs of letters are no words, and may not be searchable."""
DEPTHS = (20, 1000)
"""Where many passages are alike, its own may stand far down; at last all of the collection are asked for."""

NOT_BY = {
    "bm25": "It was indexed, but a search for its own words does not find it.",
    "knn": "It was indexed, but a search for its own meaning does not find it.",
}
"""The reasons, by the stage that did not find it."""


def longest(passages: Sequence[Passage]) -> int:
    """Place of the passage that a document is looked for by: the one with the most tokens."""
    return max(range(len(passages)), key=lambda place: passages[place].tokens)


def objection(reader: IndexReader, passage: Passage, vector: Floats, language: str) -> str:
    """Why the passage cannot be said to be searchable, or nothing when both legs find it.

    `vector` is its own, float32 [dimension]. A passage without a word that the language's analyzer
    keeps is looked for by meaning alone.
    """
    wanted: list[Subquery] = [Dense(vector)]
    if terms(words := own_words(passage), language):
        wanted.append(Lexical(words))
    return next((reason for query in wanted if (reason := _not_found(reader, passage, query))), "")


def own_words(passage: Passage) -> str:
    found = {word for word in re.findall(r"\w+", passage.search_text) if len(word) <= WORD_LENGTH}
    return " ".join(sorted(found, key=lambda word: (-len(word), word))[:WORDS])


def _not_found(reader: IndexReader, passage: Passage, query: Subquery) -> str:
    everything = reader.count([passage.collection])
    for depth in (*(depth for depth in DEPTHS if depth < everything), everything):
        (leg,) = reader.search([query], max(1, depth), [passage.collection])
        if leg.ranking is None:
            raise leg.error or AssertionError("a leg gives a ranking or an error")
        if any(found.id == passage.id for found in leg.ranking.passages):
            return ""
        if len(leg.ranking) < depth:
            break
    return NOT_BY["bm25" if isinstance(query, Lexical) else "knn"]
