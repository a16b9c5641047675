"""Make a version of the index hold what the database calls current: in rounds, while others write.

Every writer keeps the version up to date since it was made, so only what was there before is to be
written. A round holds the version against the database, takes out what is not current, writes what is
missing, and looks after each batch which of it is still current. Killed at any moment, the next round
of anybody goes on: what is there is the only note of what was done.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from django.db.models import F

from rag.encode.base import Encoder
from rag.errors import PassagesRefused
from rag.index.base import EncodedPassages, IndexReader, IndexWriter
from rag.types import Passage
from search_app import consistency, selectors
from search_app.consistency import Differences, Entry
from search_app.encoding import RememberingEncoder
from search_app.models import Document, DocumentVersion

ROUNDS = 10
"""Catch-up rounds at most. The first writes nearly everything, the second what changed meanwhile."""
BATCH = 256
"""Passages that are encoded and written together."""
READ_TOGETHER = 50
FEW = 1000
"""So few differences are looked at twice before they are believed: others write and commit meanwhile."""


class TimeOver(Exception):
    """The time of this piece of work is over; the next one goes on."""


@dataclass(slots=True)
class Rounds:
    """The work on one version. `beat` is told (documents it holds, documents it is to hold) at each batch."""

    reader: IndexReader
    writer: IndexWriter
    encoder: Encoder
    beat: Callable[[int, int], None]
    over: Callable[[], bool]
    """Whether to stop for now; asked after each batch, so that each call gets on."""
    written: int = 0
    """Documents written by this call."""
    taken_out: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """Document to the reason why the index does not take it."""

    def run(self) -> Differences:
        """Go round until nothing differs; gives what still does after the last round.

        Raises `TimeOver` when it is to stop for now.
        """
        encoder = RememberingEncoder(self.encoder)
        found = Differences()
        for _ in range(ROUNDS):
            found = self._look()
            self.writer.delete_many(sorted(found.left))
            self.taken_out += len(found.left)
            lacking = found.missing | found.unequal
            if not lacking:
                return Differences()
            if all(document in self.refused for document, _ in lacking):
                return found
            self._write(lacking, encoder)
        return self._look()

    def _look(self) -> Differences:
        held = self.reader.documents()
        found = consistency.compare(held)
        lacking = found.missing | found.unequal
        if 0 < len(lacking) <= FEW:
            again = consistency.compare(self.reader.documents())
            found = Differences(found.missing & again.missing, found.unequal & again.unequal, again.left)
        total = Document.objects.filter(version__gt=0).count()
        self.beat(total - len(found.missing | found.unequal), total)
        return found

    def _write(self, entries: Iterable[Entry], encoder: RememberingEncoder) -> None:
        ordered = sorted(entries, key=lambda entry: int(entry[0]))
        total = Document.objects.filter(version__gt=0).count()
        done = total - len(ordered)
        for batch in _batches(_documents(ordered)):
            self.writer.set_languages(selectors.languages())
            try:
                self.writer.write(self._encode(batch, encoder, done, total))
            except PassagesRefused as error:
                self.refused |= error.reasons
            self._take_out([(passages[0].document_id, passages[0].version) for passages in batch])
            self.written += len(batch)
            done += len(batch)
            self.beat(min(done, total), total)
            if self.over():
                raise TimeOver

    def _encode(
        self, batch: Sequence[tuple[Passage, ...]], encoder: RememberingEncoder, done: int, total: int
    ) -> list[EncodedPassages]:
        """A long document in parts, with a sign of life after each."""
        if len(batch) > 1 or len(batch[0]) <= BATCH:
            return encoder.encode(batch)
        parts = []
        for first in range(0, len(batch[0]), BATCH):
            parts += encoder.encode([batch[0][first : first + BATCH]])
            self.beat(min(done, total), total)
        codes = tuple(code for part in parts for code in part.codes)
        vectors = np.concatenate([part.vectors for part in parts])
        return [replace(parts[0], passages=batch[0], vectors=vectors, codes=codes)]

    def _take_out(self, written: Sequence[Entry]) -> None:
        """What was replaced or deleted before it was written, and so was not there to be taken out."""
        numbers = [int(document) for document, _ in written]
        rows = Document.objects.filter(pk__in=numbers).values_list("pk", "version")
        current = {(str(pk), version) for pk, version in rows}
        gone = [entry for entry in written if entry not in current]
        if gone:
            self.writer.delete_many(gone)
            self.taken_out += len(gone)


def _documents(entries: Sequence[Entry]) -> Iterator[tuple[Passage, ...]]:
    """The passages of those that are still current, as they were split."""
    for first in range(0, len(entries), READ_TOGETHER):
        some = set(entries[first : first + READ_TOGETHER])
        rows = DocumentVersion.objects.select_related("document__collection").filter(
            document__in=[int(document) for document, _ in some], version=F("document__version")
        )
        for row in rows.order_by("document_id"):
            wanted = (str(row.document_id), row.version) in some
            if wanted and (passages := selectors.passages(row.document, row)):
                yield passages


def _batches(documents: Iterable[tuple[Passage, ...]]) -> Iterator[list[tuple[Passage, ...]]]:
    """Some documents at a time; a long one comes by itself, whole: an index replaces what it had of it."""
    batch: list[tuple[Passage, ...]] = []
    size = 0
    for passages in documents:
        if batch and size + len(passages) > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(passages)
        size += len(passages)
    if batch:
        yield batch
