"""Holds the stores of one version of an index against each other. Reads everything, mends nothing."""

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rag.errors import IndexUnavailable
from rag.index.base import IndexReport
from rag.index.embedded import rows, signs
from rag.index.embedded.snapshot import Snapshot, Store
from rag.index.embedded.text import reading, slots_in
from rag.index.embedded.vectors import checksum

_SHOWN = 5


def verify_version(directory: Path, dimension: int) -> IndexReport:
    """Rows against vectors, token codes and text of the same commit, each live passage exactly once in each.

    Passages and vectors carry a checksum of their own, the files of the text index one each.
    """
    try:
        with Store(directory, dimension).read() as (connection, snapshot):
            problems = [*_rows(connection), *_files(connection, snapshot)]
            found, notes = _text(directory, connection, snapshot)
            more, without = _signs(connection, snapshot)
            found, notes = [*found, *more], [*notes, *without]
            documents = rows.documents(connection)
            return IndexReport(
                sum(snapshot.counts.values()), len(documents), (*problems, *found), tuple(notes)
            )
    except (OSError, ValueError, sqlite3.Error, IndexUnavailable) as error:
        return IndexReport(0, 0, (f"The index cannot be read ({error}). `reindex` makes it anew.",))


def _rows(connection: sqlite3.Connection) -> Iterable[str]:
    for (message,) in connection.execute("PRAGMA quick_check(5)"):
        if message != "ok":
            yield f"The rows are damaged: {message}. `reindex` makes them anew."
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
        except ValueError:
            missing.append(pid)
            continue
        vector = arrays.vectors.between(slot, slot + 1).tobytes()
        if checksum(vector, codes, text) != check:
            damaged.append(pid)
    yield from _sentence("passages have no vector or no token codes", missing)
    yield from _sentence("passages have a damaged vector, damaged token codes or damaged text", damaged)


def _signs(connection: sqlite3.Connection, snapshot: Snapshot) -> tuple[list[str], list[str]]:
    """Rows of signs that are not those of their vectors; slots that have none are searched all the same."""
    arrays, live = snapshot.arrays, snapshot.mask(tuple(snapshot.counts))
    if arrays.signs is None or live[len(arrays.signs) :].any():
        return [], ["Vectors are compared without a first pass over their signs; the next writer makes them."]
    damaged: list[int] = []
    start, count = 0, min(len(arrays.signs), len(arrays))
    for made in signs.remake(arrays.vectors, 0, count):
        stop = start + len(made)
        differ = np.bitwise_count(made.view(np.uint64) ^ arrays.signs.between(start, stop)).sum(axis=1)
        damaged += (start + np.flatnonzero(live[start:stop] & (differ > signs.DAMAGED))).tolist()
        start = stop
    names = rows.ids(connection, damaged)
    return list(_sentence("passages have damaged signs", [names[slot] for slot in damaged])), []


def _text(directory: Path, connection: sqlite3.Connection, snapshot: Snapshot) -> tuple[list[str], list[str]]:
    problems, notes, left_over = [], [], 0
    language_of = np.array(
        [snapshot.languages.get(number, "") for number in range(max(snapshot.languages, default=0) + 2)]
    )
    for language, opened in sorted(snapshot.text.items()):
        if isinstance(opened, IndexUnavailable):
            problems.append(f"The text index for {language} cannot be opened. `reindex` makes it anew.")
            continue
        if damaged := damaged_files(directory / f"text-{language}"):
            problems.extend(_sentence(f"files of the text index for {language} are damaged", damaged))
            continue
        wanted = np.flatnonzero(language_of[snapshot.collection] == language)
        with reading():
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
        notes.append(f"{empty} slots are no longer in use; `reindex` frees their space.")
    return problems, notes


def damaged_files(directory: Path) -> list[str]:
    """Files of the committed segments of a tantivy index that differ from the checksum at their end.

    The end is a JSON with the CRC-32 of what comes before it, then its length and 1337, 32 bits each. A list
    of deletions carries the number of its commit; one that no commit knows was cut off by a kill, is never
    read, and is cleared away by the next writer.
    """
    damaged = []
    segments = json.loads((directory / "meta.json").read_text("utf-8"))["segments"]
    for segment in segments:
        name = segment["segment_id"].replace("-", "")
        deletions = f"{name}.{(segment['deletes'] or {}).get('opstamp')}.del"
        for path in sorted(directory.glob(f"{name}.*")):
            if path.suffix == ".del" and path.name != deletions:
                continue
            try:
                data = memoryview(path.read_bytes())
            except FileNotFoundError:
                continue  # merged into another one meanwhile
            try:
                length, magic = struct.unpack("<II", data[-8:])
                footer = json.loads(bytes(data[-8 - length : -8]))
                whole = magic == 1337 and zlib.crc32(data[: -8 - length]) == footer["crc"]
            except (struct.error, ValueError, KeyError, TypeError):
                whole = False
            if not whole:
                damaged.append(path.name)
    return damaged


def _sentence(what: str, names: list[str]) -> Iterable[str]:
    if names:
        more = ", ..." if len(names) > _SHOWN else ""
        yield f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{more}). `reindex` restores them."
