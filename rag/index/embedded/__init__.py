"""The index that needs nothing but a folder: tantivy for words, exact scan for vectors, SQLite for rows.

`create`, `open_reader`, `open_writer`, `reindex` and `verify` are its whole surface. One writer at a time,
any number of readers in any number of processes.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from rag.errors import IndexCorrupt
from rag.index.base import EncodedPassages, IndexReport
from rag.index.embedded import layout
from rag.index.embedded.reader import EmbeddedReader
from rag.index.embedded.verify import verify_version
from rag.index.embedded.writer import EmbeddedWriter, new_version

__all__ = ["EmbeddedReader", "EmbeddedWriter", "create", "open_reader", "open_writer", "rebuild", "verify"]


def create(root: Path, encoder_fingerprint: str, dimension: int) -> None:
    """Make an empty index where there is none; does nothing where there is one."""
    if layout.current(root) is None:
        lock = layout.Lock(root, wait_s=10)
        try:
            if layout.current(root) is None:
                layout.promote(new_version(root, layout.Meta(encoder_fingerprint, dimension)))
        finally:
            lock.release()


def open_reader(root: Path, encoder_fingerprint: str, dimension: int) -> EmbeddedReader:
    """Raises `IndexCorrupt` where there is no index, or one of another encoder."""
    return EmbeddedReader(root, layout.Meta(encoder_fingerprint, dimension))


def open_writer(
    root: Path,
    encoder_fingerprint: str,
    dimension: int,
    *,
    languages: Mapping[str, str] | None = None,
    wait_s: float = 0.0,
) -> EmbeddedWriter:
    """The one writer; `languages` as in `EmbeddedWriter.set_languages`.

    Raises `IndexBusy` where another process still is the writer after `wait_s` seconds, `IndexCorrupt`
    as `open_reader` does.
    """
    lock = layout.Lock(root, wait_s=wait_s)
    try:
        meta = layout.Meta(encoder_fingerprint, dimension)
        writer = EmbeddedWriter(layout.in_use(root, meta), meta, lock)
    except BaseException as error:
        lock.release()
        if isinstance(error, sqlite3.Error):
            raise IndexCorrupt("The index's rows are damaged. Run: manage.py reindex") from error
        raise
    try:
        writer.set_languages(languages or {})
    except BaseException:
        writer.close()
        raise
    return writer


def rebuild(
    root: Path,
    encoder_fingerprint: str,
    dimension: int,
    documents: Iterable[EncodedPassages],
    *,
    languages: Mapping[str, str] | None = None,
    group: int = 64,
    wait_s: float = 0.0,
) -> str:
    """Build a new version of the index from these documents beside the old one, switch to it, name it.

    Readers see the old version until the switch, and the new one from their next search on. Nothing of
    the old version is read. When it fails or is killed, the old version stays. `group` documents are
    committed at a time.
    """
    lock = layout.Lock(root, wait_s=wait_s)
    try:
        meta = layout.Meta(encoder_fingerprint, dimension)
        directory = new_version(root, meta)
        writer = EmbeddedWriter(directory, meta, None)
        try:
            writer.set_languages(languages or {})
            waiting: list[EncodedPassages] = []
            for document in documents:
                waiting.append(document)
                if len(waiting) >= group:
                    writer.write(waiting)
                    waiting.clear()
            writer.write(waiting)
        finally:
            writer.close()
        layout.promote(directory)
        return directory.name
    finally:
        lock.release()


def verify(root: Path, encoder_fingerprint: str, dimension: int) -> IndexReport:
    """Hold the stores of the index against each other; mends nothing. Safe beside readers and the writer."""
    try:
        directory = layout.in_use(root, layout.Meta(encoder_fingerprint, dimension))
    except IndexCorrupt as error:
        return IndexReport(0, 0, (str(error),))
    return verify_version(directory, dimension)
