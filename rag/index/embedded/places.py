"""Where a search may look: the slots of the asked collections, of which filters leave those that fit."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rag.errors import IndexUnavailable
from rag.index import fitting
from rag.index.embedded import rows, text
from rag.index.embedded.snapshot import Snapshot
from rag.index.embedded.vectors import Slots
from rag.index.fitting import cut_off, has_phrases, sure_terms, title_fits
from rag.phrases import normal
from rag.types import Dense, Filters, Subquery

FEW = 20_000
"""So many slots are named to the text index; of more its hits are held against the mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """`mask` has the slots; `slots` names them where they are few, None where only collections decide."""

    collections: tuple[int, ...]
    mask: NDArray[np.bool_]
    slots: Slots | None = None
    part: float = 1.0
    """Share of the collections' passages that fits."""
    partial: str = ""

    def by_language(self, snapshot: Snapshot) -> list[tuple[str, list[int]]]:
        """Each language with its collections among these."""
        found: dict[str, list[int]] = {}
        for number in self.collections:
            found.setdefault(snapshot.languages[number], []).append(number)
        return sorted(found.items())


def places(
    connection: sqlite3.Connection,
    snapshot: Snapshot,
    allowed: tuple[int, ...],
    filters: Filters,
    subqueries: Sequence[Subquery],
) -> Places:
    """Raises `IndexUnavailable` where phrases cannot be looked for."""
    found = Places(allowed, snapshot.mask(allowed))
    if filters.documents:
        found = _narrowed(found, rows.of_documents(connection, fitting.known_ids(filters.documents)))
    if fitting.has_words(filters.title):
        named = {d for d, title in rows.titles(connection) if title_fits(title, filters.title)}
        found = _narrowed(found, rows.of_documents(connection, sorted(named)))
    phrases = [phrase for phrase in map(normal, filters.phrases) if phrase]
    if phrases:
        question = next((s.text for s in subqueries if not isinstance(s, Dense)), "")
        found = _with_phrases(connection, snapshot, found, phrases, question)
    return found


def _narrowed(before: Places, slots: Sequence[int]) -> Places:
    mask = np.zeros_like(before.mask)
    mask[[slot for slot in slots if slot < len(mask)]] = True
    mask &= before.mask
    left, had = int(np.count_nonzero(mask)), int(np.count_nonzero(before.mask))
    named = np.flatnonzero(mask) if left <= FEW else None
    return replace(before, mask=mask, slots=named, part=before.part * left / had if had else 0.0)


def _with_phrases(
    connection: sqlite3.Connection, snapshot: Snapshot, before: Places, phrases: list[str], question: str
) -> Places:
    """Those that have the phrases, among the `LOOKED_THROUGH` that fit the question best."""
    found: list[text.Found] = []
    for language, collections in before.by_language(snapshot):
        opened = snapshot.text[language]
        if isinstance(opened, IndexUnavailable):
            raise opened
        every = sure_terms(phrases, language)
        with text.reading():
            some = text.having(
                opened, every, question, fitting.LOOKED_THROUGH + 1, collections, before.slots, before.mask
            )
        found.append(some)
    slots = np.concatenate([slots for slots, _ in found]) if found else np.empty(0, np.int64)
    scores = np.concatenate([scores for _, scores in found]) if found else np.empty(0, np.float32)
    cut = len(slots) > fitting.LOOKED_THROUGH
    best = slots[np.argsort(-scores, kind="stable")[: fitting.LOOKED_THROUGH]].tolist()
    passages = rows.passages(connection, best, snapshot.names)
    kept = [slot for slot, passage in passages.items() if has_phrases(passage, phrases)]
    return replace(_narrowed(before, kept), partial=cut_off(phrases) if cut else "")
