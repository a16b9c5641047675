"""One version of an index as a reader sees it: a snapshot for each commit, shared by all threads.

A search holds a SQLite read transaction and the snapshot of that very state, so that both legs and the
passages belong to one commit: a replaced document is seen as it was or as it is, never as both or none.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tantivy
from numpy.typing import NDArray

from rag.errors import IndexUnavailable
from rag.index.embedded import rows
from rag.index.embedded.text import TextReader, reading
from rag.index.embedded.vectors import Arrays

_DEAD = -1


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The index after its commit number `seq`."""

    seq: int
    names: dict[int, str]
    """Number of a collection to its name."""
    languages: dict[int, str]
    """Number of a collection to its language."""
    collection: NDArray[np.int32]
    """Number of the collection of each slot; -1 where no live passage is."""
    counts: dict[int, int]
    """Number of a collection to its live passages."""
    arrays: Arrays
    text: dict[str, tuple[TextReader, tantivy.Searcher] | IndexUnavailable]
    """Of each language in use."""
    _masks: dict[tuple[int, ...], NDArray[np.bool_]] = field(default_factory=dict)

    def allowed(self, collections: Sequence[str]) -> tuple[int, ...]:
        """Numbers of those of these collections that hold anything."""
        asked = set(collections)
        return tuple(number for number in sorted(self.counts) if self.names[number] in asked)

    def mask(self, allowed: tuple[int, ...]) -> NDArray[np.bool_]:
        """For each slot whether it is a live passage of these collections. Do not write into it."""
        mask = self._masks.get(allowed)
        if mask is None:
            table = np.zeros(max(self.languages, default=0) + 2, np.bool_)  # its last place is that of -1
            table[list(allowed)] = True
            mask = table[self.collection]
            if len(self._masks) < 16:
                self._masks[allowed] = mask
        return mask


class Store:
    """The files of one version, open for reading by the threads of one process."""

    def __init__(self, directory: Path, dimension: int) -> None:
        self.directory = directory
        self._dimension = dimension
        self._connections: list[sqlite3.Connection] = []
        self._refreshing = threading.Lock()
        self._text: dict[str, TextReader] = {}
        self._snapshot: Snapshot | None = None

    @contextmanager
    def read(self) -> Iterator[tuple[sqlite3.Connection, Snapshot]]:
        """A transaction and the snapshot of the state it sees: of the last commit."""
        try:
            connection = self._connections.pop()
        except IndexError:
            connection = rows.connect(self.directory)
        try:
            while True:
                connection.execute("BEGIN")
                snapshot = self._snapshot  # before the transaction's first read: no commit came in between
                seq = rows.sequence(connection)
                if snapshot is not None and snapshot.seq == seq:
                    break
                with self._refreshing:
                    current = self._snapshot
                    if current is None or current.seq < seq:
                        self._snapshot = self._refresh(connection, current, seq)
                # Round again: a searcher opened after a later commit may lack what this state still has.
                connection.execute("ROLLBACK")
            yield connection, snapshot
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._connections.append(connection)

    def _refresh(self, connection: sqlite3.Connection, old: Snapshot | None, seq: int) -> Snapshot:
        arrays = Arrays(self.directory, self._dimension, old.arrays if old is not None else None)
        collection = np.full(len(arrays), _DEAD, np.int32)
        if old is not None:
            collection[: len(old.collection)] = old.collection
        slots, now = rows.changes(connection, old.seq if old is not None else -1)
        if len(slots) and slots.max() >= len(arrays):
            raise IndexUnavailable("The index's vectors are incomplete. Run: manage.py reindex")
        collection[slots] = now
        number_of = np.bincount(collection[collection != _DEAD])
        present = np.flatnonzero(number_of)
        found = connection.execute("SELECT name, number, language FROM collections").fetchall()
        counts = dict(zip(present.tolist(), number_of[present].tolist(), strict=True))
        languages = {number: language for _, number, language in found}
        return Snapshot(
            seq=seq,
            names={number: name for name, number, _ in found},
            languages=languages,
            collection=collection,
            counts=counts,
            arrays=arrays,
            text={language: self._searcher(language) for language in {languages[n] for n in counts}},
        )

    def _searcher(self, language: str) -> tuple[TextReader, tantivy.Searcher] | IndexUnavailable:
        try:
            with reading():
                if language not in self._text:
                    self._text[language] = TextReader(self.directory, language)
                return self._text[language], self._text[language].searcher()
        except IndexUnavailable as error:
            return error
