"""The one writer of an embedded index. Commit order: vectors, signs and codes, then text, then rows.

Killed anywhere, what has no row was never written: its slots stay empty for good and its terms are swept
out of the text index by a later commit. A deletion goes the other way, rows first.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rag.errors import IndexCorrupt
from rag.index.analyzers import DEFAULT_LANGUAGE, check_language
from rag.index.base import EncodedPassages, check
from rag.index.embedded import layout, signs
from rag.index.embedded.rows import RowWriter
from rag.index.embedded.text import TextWriter
from rag.index.embedded.vectors import Appender

_SWEEP_AT = 2000
"""So many deleted passages wait for the next group of documents to be swept with."""


def new_version(root: Path, meta: layout.Meta) -> Path:
    """An empty version that can be opened, not yet in use. Only for the holder of the lock."""
    directory = layout.new_version(root, meta)
    for name in ("vectors.f16", "codes.bin"):
        (directory / name).touch()
    rows = RowWriter(directory)
    rows.create()
    rows.close()
    return directory


class EmbeddedWriter:
    """An `IndexWriter`, for one thread at a time. Each call is whole or not at all."""

    exclusive = True

    def __init__(self, directory: Path, meta: layout.Meta, lock: layout.Lock | None) -> None:
        self._meta = meta
        self._lock = lock
        self._rows = RowWriter(directory)
        self._text = TextWriter(directory)
        self._files = Appender(directory, meta.dimension)
        orphans = range(self._rows.known_slots(), self._files.next_slot)
        self._pending = {*self._rows.pending(), *orphans}
        self._collections = self._rows.languages()

    def set_languages(self, languages: Mapping[str, str]) -> None:
        """Fix the language of these collections: code of `rag.index.analyzers.LANGUAGES`.

        A collection that is written without one is English. Raises `IndexCorrupt` where a collection
        already holds passages in another language: they were analysed for that one.
        """
        wrong = []
        changes = {
            name: check_language(language)
            for name, language in languages.items()
            if self._collections.get(name, (0, ""))[1] != language
        }
        if not changes:
            return
        self._rows.begin()
        try:
            for name, language in changes.items():
                if name not in self._collections:
                    self._rows.add_collection(name, language)
                elif not self._rows.set_language(name, language):
                    wrong.append(name)
            self._rows.commit()
        except BaseException:
            self._rows.rollback()
            raise
        self._collections = self._rows.languages()
        if wrong:
            raise IndexCorrupt(
                f"These collections are indexed in another language: {', '.join(sorted(wrong))}. "
                "Run: manage.py reindex"
            )

    def write(self, documents: Iterable[EncodedPassages]) -> None:
        """One commit for all these documents, taken one after the other: any number fits into memory."""
        self._files.align()
        first = self._files.next_slot
        self._rows.begin()
        try:
            swept = self._sweep_text()
            for document in documents:
                check(document, self._meta.dimension)
                self._rows.kill(document.document_id, document.version)
                self._add(document)
            self._rows.settle(swept)
            self._files.sync()
            self._text.commit()
            self._rows.commit()  # last: it is the commit mark
        except BaseException:
            self._rows.rollback()
            self._text.rollback()
            self._collections = self._rows.languages()
            self._pending.update(range(first, self._files.next_slot))
            raise
        self._pending = set(self._rows.pending())

    def delete(self, document_id: str, *, version: int | None = None) -> None:
        self.delete_many([(document_id, version)])

    def delete_many(self, entries: Iterable[tuple[str, int | None]]) -> None:
        entries = list(entries)
        if not entries:
            return
        self._rows.begin()
        try:
            for document_id, version in entries:
                self._rows.kill(document_id, version)
            self._rows.commit()
        except BaseException:
            self._rows.rollback()
            raise
        self._pending.update(self._rows.pending())
        if len(self._pending) >= _SWEEP_AT:
            self.sweep()

    def sweep(self) -> None:
        """Take deleted passages out of the text index too. No search finds them before, either."""
        if swept := self._sweep_text():
            self._text.commit()
            self._rows.begin()
            self._rows.settle(swept)
            self._rows.commit()
            self._pending.difference_update(swept)

    def close(self) -> None:
        """Sweep, wait for merges, let the next writer in. What was written is already safe."""
        try:
            self.sweep()
            self._text.close()
        finally:
            self._files.close()
            self._rows.close()
            if self._lock is not None:
                self._lock.release()

    def _sweep_text(self) -> list[int]:
        swept = sorted(self._pending)
        self._text.delete(swept)
        return swept

    def _add(self, document: EncodedPassages) -> None:
        turned = signs.make(document.vectors)
        for passage, vector, row, codes in zip(
            document.passages, document.vectors, turned, document.codes, strict=True
        ):
            number, language = self._collection(passage.collection)
            slot, offset, length, check = self._files.append(vector, row, codes, passage.text)
            self._text.add(language, slot, number, passage.search_text)
            self._rows.add(slot, number, passage, offset, length, check)

    def _collection(self, name: str) -> tuple[int, str]:
        if name not in self._collections:
            number = self._rows.add_collection(name, DEFAULT_LANGUAGE)
            self._collections[name] = (number, DEFAULT_LANGUAGE)
        return self._collections[name]
