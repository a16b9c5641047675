"""The two legs of a search over one snapshot: what each finds, as slots and scores in no order."""

import sqlite3

import numpy as np

from rag.encode.base import Floats
from rag.errors import IndexUnavailable
from rag.index.analyzers import single_term
from rag.index.embedded import rows, signs, text
from rag.index.embedded.places import Places
from rag.index.embedded.snapshot import Snapshot
from rag.index.embedded.text import Found
from rag.index.embedded.vectors import Slots
from rag.spelling import distance
from rag.types import Hybrid, Lexical, Subquery

DECIMALS = 6
"""Equal vectors may differ in the last bit, by their place in the scan; rounded, they tie."""

EXACT = 65_536
"""So many allowed vectors are compared without a first pass over their signs, which would save nothing."""
AT_LEAST, SHARE, A_PLACE = 16_384, 16, 64
"""How many are compared after it: at least, as a part of all, and for each of the `k`. `docs/decisions/0021`
has the recall."""


def find(subquery: Subquery, k: int, places: Places, snapshot: Snapshot) -> Found:
    """At least the best `k` of these places. Raises `IndexUnavailable` where this leg cannot answer."""
    if isinstance(subquery, Hybrid):
        raise IndexUnavailable("The embedded index does not fuse by itself.")
    if isinstance(subquery, Lexical):
        return bm25(subquery.text, k, places, snapshot)
    return knn(np.asarray(subquery.vector, np.float32), k, places, snapshot)


def bm25(question: str, k: int, places: Places, snapshot: Snapshot) -> Found:
    """The best `k` of every language; scores of two languages come from statistics of their own."""
    legs: list[Found] = [(np.empty(0, np.int64), np.empty(0, np.float32))]
    for language, asked in places.by_language(snapshot):
        opened = snapshot.text[language]
        if isinstance(opened, IndexUnavailable):
            raise opened
        present = [number for number in snapshot.counts if snapshot.languages[number] == language]
        share = sum(snapshot.counts[n] for n in asked) / sum(snapshot.counts[n] for n in present)
        with text.reading():
            found = text.search(opened, question, k, asked, share * places.part, places.mask, places.slots)
            legs.append(found)
    return np.concatenate([slots for slots, _ in legs]), np.concatenate([scores for _, scores in legs])


def knn(vector: Floats, k: int, places: Places, snapshot: Snapshot) -> Found:
    """Up to `EXACT` allowed vectors are all compared; of more, those whose signs differ least.

    Where what is compared is the smaller part of the vectors, only that is read.
    """
    arrays, mask = snapshot.arrays, places.mask
    if vector.shape != (arrays.dimension,):
        raise ValueError(f"the query's vector is {vector.shape}, the index has {arrays.dimension} dimensions")
    count = int(np.count_nonzero(mask))
    if count > EXACT and arrays.signs is not None and not mask[len(arrays.signs) :].any():
        slots = signs.nearest(arrays.signs, vector, mask, max(AT_LEAST, count // SHARE, k * A_PLACE))
    else:
        slots = np.flatnonzero(mask)
    if len(slots) * 2 > len(mask):
        return slots, np.round(arrays.cosines(vector)[slots], DECIMALS)
    return slots, np.round(arrays.cosines(vector, slots), DECIMALS)


def spelled_alike(word: str, k: int, places: Places, snapshot: Snapshot) -> list[int]:
    """Slots of at most `k` passages with a word spelled almost so, the nearest in spelling first."""
    found: dict[int, None] = {}
    for language, asked in places.by_language(snapshot):
        opened = snapshot.text[language]
        if isinstance(opened, IndexUnavailable):
            raise opened
        for term in single_term(word, language):
            for letters in range(1, distance(word) + 1):
                if len(found) < k:
                    with text.reading():
                        some = text.alike(opened, term, letters, k, asked, places.mask)
                    found.update(dict.fromkeys(some.tolist()))
    return list(found)[:k]


def cut(connection: sqlite3.Connection, k: int, slots: Slots, scores: Floats) -> Found:
    """The best `k`; among those that tie for the last places the first by passage id."""
    if len(slots) <= k:
        return slots, scores
    last = np.partition(scores, len(scores) - k)[len(scores) - k]
    above, tied = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
    places = k - len(above)
    if len(tied) > places:
        ids = rows.ids(connection, slots[tied].tolist())
        tied = np.array(sorted(tied.tolist(), key=lambda i: ids[int(slots[i])])[:places], np.int64)
    keep = np.concatenate([above, tied])
    return slots[keep], scores[keep]
