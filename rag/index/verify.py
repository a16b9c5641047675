"""Holds the stores of one version of an index against each other. Reads everything, mends nothing."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rag.errors import IndexUnavailable
from rag.index import rows
from rag.index.base import IndexReport
from rag.index.snapshot import Snapshot, Store
from rag.index.text import slots_in
from rag.index.vectors import checksum

_SHOWN = 5


def verify_version(directory: Path, dimension: int) -> IndexReport:
    """Rows against vectors, token codes and text of the same commit, each live passage exactly once in each.

    Of the text index it is checked which passages it holds, not that every term is right.
    """
    try:
        with Store(directory, dimension).read() as (connection, snapshot):
            problems = [*_rows(connection), *_files(connection, snapshot)]
            found, notes = _text(connection, snapshot)
            documents = rows.documents(connection)
            return IndexReport(
                sum(snapshot.counts.values()), len(documents), (*problems, *found), tuple(notes)
            )
    except (OSError, ValueError, sqlite3.Error, IndexUnavailable) as error:
        return IndexReport(0, 0, (f"The index cannot be read ({error}). `rebuild` makes it anew.",))


def _rows(connection: sqlite3.Connection) -> Iterable[str]:
    for (message,) in connection.execute("PRAGMA quick_check(5)"):
        if message != "ok":
            yield f"The rows are damaged: {message}. `rebuild` makes them anew."
    gaps = """SELECT document_id || ':' || version FROM passages WHERE live GROUP BY document_id, version
        HAVING min(position) <> 0 OR max(position) <> count(*) - 1"""
    yield from _sentence(
        "document versions lack some of their passages", [d for (d,) in connection.execute(gaps)]
    )


def _files(connection: sqlite3.Connection, snapshot: Snapshot) -> Iterable[str]:
    arrays, missing, damaged = snapshot.arrays, [], []
    sql = "SELECT slot, id, text, code_offset, code_length, checksum FROM passages WHERE live ORDER BY slot"
    for slot, pid, text, offset, length, check in connection.execute(sql):
        try:
            codes = bytes(arrays.raw_codes(offset, length))
            vector = arrays.vectors[slot].tobytes()
        except (IndexError, ValueError):
            missing.append(pid)
            continue
        if checksum(vector, codes, text) != check:
            damaged.append(pid)
    yield from _sentence("passages have no vector or no token codes", missing)
    yield from _sentence("passages have a damaged vector, damaged token codes or damaged text", damaged)


def _text(connection: sqlite3.Connection, snapshot: Snapshot) -> tuple[list[str], list[str]]:
    problems, notes, left_over = [], [], 0
    language_of = np.array(
        [snapshot.languages.get(number, "") for number in range(max(snapshot.languages, default=0) + 2)]
    )
    for language, opened in sorted(snapshot.text.items()):
        if isinstance(opened, IndexUnavailable):
            problems.append(f"The text index for {language} cannot be opened. `rebuild` makes it anew.")
            continue
        wanted = np.flatnonzero(language_of[snapshot.collection] == language)
        held, times = np.unique(slots_in(opened[1]), return_counts=True)
        live = np.isin(held, wanted)
        left_over += int((~live).sum())
        twice = held[live & (times > 1)]
        absent = np.setdiff1d(wanted, held)
        for what, slots in (("cannot be found by words", absent), ("are found twice by words", twice)):
            names = rows.ids(connection, slots.tolist())
            problems.extend(_sentence(f"passages {what}", sorted(names.values())))
    if left_over:
        notes.append(
            f"{left_over} deleted passages are still in the text index and are swept by the next commit."
        )
    empty = len(snapshot.arrays) - sum(snapshot.counts.values())
    if empty:
        notes.append(f"{empty} slots are no longer in use; `rebuild` frees their space.")
    return problems, notes


def _sentence(what: str, names: list[str]) -> Iterable[str]:
    if names:
        more = ", ..." if len(names) > _SHOWN else ""
        yield f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{more}). `rebuild` restores them."
