"""The rows of the passages in SQLite: what an index holds is what stands here as live.

One row a slot, and a slot is never used twice. The transaction here is the commit mark of every change:
vectors, codes and text are on disk before a row names them, and are let go only after no row does.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.types import Passage

_SCHEMA = """
CREATE TABLE state (seq INTEGER NOT NULL);
INSERT INTO state VALUES (0);
CREATE TABLE collections (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, language TEXT NOT NULL);
CREATE TABLE passages (
    slot INTEGER PRIMARY KEY, seq INTEGER NOT NULL, live INTEGER NOT NULL, collection INTEGER NOT NULL,
    id TEXT NOT NULL, document_id TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL,
    title TEXT NOT NULL, headings TEXT NOT NULL, text TEXT NOT NULL, start INTEGER NOT NULL,
    stop INTEGER NOT NULL, page INTEGER, tokens INTEGER NOT NULL, code_offset INTEGER NOT NULL,
    code_length INTEGER NOT NULL, checksum INTEGER NOT NULL);
CREATE UNIQUE INDEX live_id ON passages (id) WHERE live;
CREATE INDEX live_document ON passages (document_id, version) WHERE live;
CREATE TABLE pending (slot INTEGER PRIMARY KEY);
"""
_CHANGES = "CREATE INDEX changes ON passages (seq, live, collection);"
# `seq` counts transactions; each touched row carries the one that touched it last, so a reader takes up
# what changed since, from the index `changes` alone. `pending` holds dead slots that the text index may
# still know.

_PASSAGES = """SELECT slot, id, document_id, version, position, collection, title, headings, text, start,
    stop, page, tokens FROM passages WHERE live AND slot IN"""
_TITLES = """SELECT d, (SELECT title FROM passages WHERE live AND document_id = d AND version = v LIMIT 1)
    FROM (SELECT DISTINCT document_id AS d, version AS v FROM passages WHERE live)"""
_ADD = """INSERT INTO passages VALUES
    (?, (SELECT seq FROM state), 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_DEAD = "INSERT OR IGNORE INTO pending SELECT slot FROM passages WHERE live AND document_id = ?"
_KILL = """UPDATE passages SET live = 0, seq = (SELECT seq FROM state), title = '', headings = '[]', text = ''
    WHERE live AND document_id = ?"""
_AT_ONCE = 500


def connect(directory: Path) -> sqlite3.Connection:
    """A connection for reading. It may move between threads, but be used by one at a time."""
    # not mode=ro: reading a write-ahead log needs the right to write its shared-memory file
    uri = (directory / "rows.db").absolute().as_uri() + "?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA query_only = 1")
    return connection


def sequence(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("SELECT seq FROM state").fetchone()
    return int(number)


def passages(
    connection: sqlite3.Connection, slots: Sequence[int], names: Mapping[int, str]
) -> dict[int, Passage]:
    """Slot to passage, without slots that are not live; `names` is number to name of the collections."""
    found: dict[int, Passage] = {}
    for slot, *row in _rows_in(connection, _PASSAGES, slots):
        pid, document, version, position, collection, title, headings, text, start, stop, page, tokens = row
        found[slot] = Passage(
            id=pid,
            document_id=document,
            version=version,
            position=position,
            collection=names[collection],
            title=title,
            headings=() if headings == "[]" else tuple(json.loads(headings)),
            text=text,
            span=(start, stop),
            page=page,
            tokens=tokens,
        )
    return found


def ids(connection: sqlite3.Connection, slots: Sequence[int]) -> dict[int, str]:
    return dict(_rows_in(connection, "SELECT slot, id FROM passages WHERE live AND slot IN", slots))


def slots(connection: sqlite3.Connection, passage_ids: Sequence[str]) -> dict[str, int]:
    """Passage id to slot, without ids that are not live."""
    return dict(_rows_in(connection, "SELECT id, slot FROM passages WHERE live AND id IN", passage_ids))


def code_places(connection: sqlite3.Connection, passage_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Passage id to offset and length of its token codes."""
    sql = "SELECT id, code_offset, code_length FROM passages WHERE live AND id IN"
    return {pid: (offset, length) for pid, offset, length in _rows_in(connection, sql, passage_ids)}


def changes(connection: sqlite3.Connection, seq: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Slots that a later transaction touched, and the collection of each, -1 where it is not live."""
    sql = "SELECT slot, CASE WHEN live THEN collection ELSE -1 END FROM passages WHERE seq > ?"
    found = np.fromiter(connection.execute(sql, (seq,)), [("slot", np.int64), ("collection", np.int32)])
    return found["slot"], found["collection"]


def of_documents(connection: sqlite3.Connection, document_ids: Sequence[str]) -> list[int]:
    """Live slots of these documents, all versions."""
    found = _rows_in(connection, "SELECT slot FROM passages WHERE live AND document_id IN", document_ids)
    return [slot for (slot,) in found]


def titles(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """(document id, title) of every document version."""
    return list(connection.execute(_TITLES))


def documents(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    sql = "SELECT document_id, version, count(*) FROM passages WHERE live GROUP BY document_id, version"
    return {(document, version): count for document, version, count in connection.execute(sql)}


def _rows_in(connection: sqlite3.Connection, sql: str, keys: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(keys), _AT_ONCE):
        some = list(keys[start : start + _AT_ONCE])
        yield from connection.execute(f"{sql} ({','.join('?' * len(some))})", some)


class RowWriter:
    """The writer's side. Each change is made between `begin` and `commit` or `rollback`."""

    def __init__(self, directory: Path) -> None:
        self._db = sqlite3.connect(
            directory / "rows.db", isolation_level=None, check_same_thread=False, timeout=60
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        # FULL: what was reported as written stays written when the power goes, since the application
        # marks documents as indexed on the strength of it. One fsync for a whole group of documents.
        self._db.execute("PRAGMA synchronous = FULL")
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'change'").fetchone():
            # an index from before a reader could open it without reading every row
            self._db.executescript(f"BEGIN IMMEDIATE; DROP INDEX change; {_CHANGES} COMMIT;")

    def create(self) -> None:
        self._db.executescript(f"BEGIN; {_SCHEMA} {_CHANGES} COMMIT;")

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("UPDATE state SET seq = seq + 1")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()

    def languages(self) -> dict[str, tuple[int, str]]:
        """Collection to its number and language."""
        rows = self._db.execute("SELECT name, number, language FROM collections")
        return {name: (number, language) for name, number, language in rows}

    def add_collection(self, name: str, language: str) -> int:
        sql = "INSERT INTO collections (name, language) VALUES (?, ?)"
        number = self._db.execute(sql, (name, language)).lastrowid
        assert number is not None
        return number

    def set_language(self, name: str, language: str) -> bool:
        """False, and nothing changed, where the collection holds live passages."""
        held = "SELECT 1 FROM passages JOIN collections ON number = collection WHERE live AND name = ?"
        if self._db.execute(held, (name,)).fetchone():
            return False
        self._db.execute("UPDATE collections SET language = ? WHERE name = ?", (language, name))
        return True

    def kill(self, document_id: str, version: int | None) -> None:
        """Take a document's rows out of everything that reads; their text is blanked."""
        one, key = ("", (document_id,)) if version is None else (" AND version = ?", (document_id, version))
        self._db.execute(_DEAD + one, key)
        self._db.execute(_KILL + one, key)

    def add(self, slot: int, collection: int, passage: Passage, offset: int, length: int, check: int) -> None:
        self._db.execute(
            _ADD,
            (
                *(slot, collection, passage.id, passage.document_id, passage.version, passage.position),
                *(passage.title, json.dumps(passage.headings), passage.text, *passage.span),
                *(passage.page, passage.tokens, offset, length, check),
            ),
        )

    def known_slots(self) -> int:
        """One past the highest slot that ever had a row."""
        (highest,) = self._db.execute("SELECT max(slot) FROM passages").fetchone()
        return 0 if highest is None else int(highest) + 1

    def pending(self) -> list[int]:
        return [slot for (slot,) in self._db.execute("SELECT slot FROM pending")]

    def settle(self, slots: Iterable[int]) -> None:
        """These slots are out of the text index for good."""
        self._db.executemany("DELETE FROM pending WHERE slot = ?", ((slot,) for slot in slots))
