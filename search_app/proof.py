"""The proof that a document can be found: by its own words, by its own meaning, inside its collection."""

import re
from collections.abc import Iterator, Sequence

from rag.encode.base import Floats
from rag.errors import IndexUnavailable
from rag.index.analyzers import terms
from rag.index.base import IndexReader, Leg
from rag.types import Dense, Lexical, Passage, Ranking, Subquery

WORDS = 8
"""Of a passage's words the longest, which are the rarest: a query like one that a person might write."""
WORD_LENGTH = 50
"""Longer runs of letters are no words, and may not be searchable."""
DEPTHS = (5, 100)
"""Where many passages are alike, its own may stand far down; at last all of the collection are asked for."""

WINDOW = 10_000
"""A cluster gives no more candidates at once, however many are asked for."""
EQUAL = 0.9999
"""Cosine from which on two vectors count as one."""

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
    keeps is looked for by meaning alone. Raises `IndexUnavailable` where that cannot be said now: a leg
    did not answer, or what was not found may lie in a part of the index that was not searched.

    One that stands below a whole window of others is taken for found where that says nothing against it:
    so many passages hold its words, or have its very meaning, that it can be nowhere else.
    """
    wanted: list[Subquery] = [Dense(vector)]
    if terms(words := own_words(passage), language):
        wanted.append(Lexical(words))
    for depth in _depths(reader, passage):
        legs = reader.search(wanted, depth, [passage.collection])
        rankings = [_ranking(leg) for leg in legs]
        found = [any(one.id == passage.id for one in ranking.passages) for ranking in rankings]
        for query, leg, ranking, is_found in zip(wanted, legs, rankings, found, strict=True):
            if not is_found and leg.partial:
                raise IndexUnavailable(f"Only a part of the index answered: {leg.partial}.")
            if not is_found and len(ranking) < min(depth, WINDOW):  # there is nothing further down
                return NOT_BY["bm25" if isinstance(query, Lexical) else "knn"]
        wanted = [
            query
            for query, ranking, is_found in zip(wanted, rankings, found, strict=True)
            if not is_found and not (len(ranking) < depth and _crowded(query, ranking))
        ]
        if not wanted:
            return ""
    return NOT_BY["bm25" if isinstance(wanted[0], Lexical) else "knn"]


def _crowded(query: Subquery, full: Ranking) -> bool:
    """Whether a full window of candidates may hide one more that is as good as they."""
    return isinstance(query, Lexical) or full.candidates[-1].score >= EQUAL


def _depths(reader: IndexReader, passage: Passage) -> Iterator[int]:
    yield from DEPTHS
    yield max(1, reader.count([passage.collection]))


def _ranking(leg: Leg) -> Ranking:
    if leg.ranking is None:
        raise leg.error or AssertionError("a leg gives a ranking or an error")
    return leg.ranking


def own_words(passage: Passage) -> str:
    found = {word for word in re.findall(r"\w+", passage.search_text) if len(word) <= WORD_LENGTH}
    return " ".join(sorted(found, key=lambda word: (-len(word), word))[:WORDS])
