"""The reader of an embedded index."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rag.codes import TokenCodes
from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index.base import Leg
from rag.index.embedded import layout, rows
from rag.index.embedded.legs import DECIMALS, cut, find, spelled_alike
from rag.index.embedded.places import Places, places
from rag.index.embedded.snapshot import Snapshot, Store
from rag.index.embedded.text import Found
from rag.types import NO_FILTERS, Filters, Lexical, Passage, Ranking, Subquery


class EmbeddedReader:
    """An `IndexReader`. Share one among all threads of a process; after a fork it opens its files anew."""

    def __init__(self, root: Path, meta: layout.Meta) -> None:
        self._root = root
        self._meta = meta
        self._opened = (os.getpid(), Store(layout.in_use(root, meta), meta.dimension))

    @property
    def version(self) -> str:
        return self._store().directory.name

    def search(
        self,
        subqueries: Sequence[Subquery],
        k: int,
        collections: Sequence[str],
        filters: Filters = NO_FILTERS,
    ) -> tuple[Leg, ...]:
        began = time.perf_counter()
        found: list[Found | IndexUnavailable] = []
        times: list[tuple[float, float]] = []
        with self._read() as (connection, snapshot):
            where = places(connection, snapshot, snapshot.allowed(collections), filters, subqueries)
            for subquery in subqueries:
                started = time.perf_counter()
                try:
                    leg = find(subquery, k, where, snapshot)
                    found.append(cut(connection, k, *leg))
                except IndexUnavailable as error:
                    found.append(error)
                times.append(((started - began) * 1e3, (time.perf_counter() - started) * 1e3))
            errors = [leg for leg in found if isinstance(leg, IndexUnavailable)]
            if errors and len(errors) == len(found):
                raise errors[0]
            slots = {
                slot for leg in found if not isinstance(leg, IndexUnavailable) for slot in leg[0].tolist()
            }
            passages = rows.passages(connection, sorted(slots), snapshot.names)
        return tuple(
            Leg(None, leg, *timing)
            if isinstance(leg, IndexUnavailable)
            else Leg(_ranking(subquery, leg, passages), None, *timing, where.partial)
            for subquery, leg, timing in zip(subqueries, found, times, strict=True)
        )

    def alike(self, word: str, k: int, collections: Sequence[str]) -> tuple[Passage, ...]:
        with self._read() as (connection, snapshot):
            allowed = snapshot.allowed(collections)
            slots = spelled_alike(word, k, Places(allowed, snapshot.mask(allowed)), snapshot)
            found = rows.passages(connection, slots, snapshot.names)
        return tuple(found.values())

    def count(self, collections: Sequence[str]) -> int:
        with self._read() as (_, snapshot):
            return sum(snapshot.counts[number] for number in snapshot.allowed(collections))

    def token_codes(self, passage_ids: Sequence[str]) -> tuple[TokenCodes | None, ...]:
        with self._read() as (connection, snapshot):
            places = rows.code_places(connection, passage_ids)
            try:
                return tuple(
                    snapshot.arrays.codes(*places[pid]) if pid in places else None for pid in passage_ids
                )
            except ValueError as error:
                raise IndexUnavailable("The token codes are damaged. Run: manage.py reindex") from error

    def passages(self, passage_ids: Sequence[str]) -> tuple[Passage | None, ...]:
        with self._read() as (connection, snapshot):
            slots = rows.slots(connection, passage_ids)
            found = rows.passages(connection, sorted(slots.values()), snapshot.names)
        return tuple(found.get(slots[pid]) if pid in slots else None for pid in passage_ids)

    def documents(self) -> dict[tuple[str, int], int]:
        with self._read() as (connection, _):
            return rows.documents(connection)

    def _store(self) -> Store:
        pid, store = self._opened
        if store.directory.name != layout.current(self._root) or pid != os.getpid():
            store = Store(layout.in_use(self._root, self._meta), self._meta.dimension)
            self._opened = (os.getpid(), store)
        return store

    @contextmanager
    def _read(self) -> Iterator[tuple[sqlite3.Connection, Snapshot]]:
        try:
            with ExitStack() as stack:
                yield self._enter(stack)
        except IndexCorrupt as error:
            raise IndexUnavailable(str(error)) from error
        except (OSError, sqlite3.Error) as error:
            raise IndexUnavailable("The index cannot be read. `manage.py verify` says more.") from error

    def _enter(self, stack: ExitStack) -> tuple[sqlite3.Connection, Snapshot]:
        store = self._store()
        try:
            return stack.enter_context(store.read())
        except (OSError, sqlite3.Error):
            if store.directory.name == layout.current(self._root):
                raise
        return stack.enter_context(self._store().read())  # a rebuild was promoted just then


def _ranking(subquery: Subquery, found: Found, passages: dict[int, Passage]) -> Ranking:
    slots, scores = found
    pairs = zip(slots.tolist(), scores.tolist(), strict=True)
    scored = ((passages[slot], round(score, DECIMALS)) for slot, score in pairs)
    if isinstance(subquery, Lexical):
        return Ranking.of("bm25", "bm25", scored)
    return Ranking.of("knn", "cosine", scored)
