"""The path of files into a collection: read, skip, parse, split, encode, commit; killed at any moment.

Three threads work side by side, because the encoder is what takes the time: one reads and parses a few
files ahead, one encodes, and the caller's commits. A group of documents is committed to the index first,
under versions that the database does not know yet and that are therefore shown to nobody; then one
transaction makes them current; then the versions before them leave the index. Whatever dies in between
leaves index entries that are not current, which the next run sweeps out before it begins.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from rag.encode.base import Encoder
from rag.errors import ParseError
from rag.index.base import IndexReader, IndexWriter
from rag.parse.base import ParsedDocument
from rag.spec import SplitSpec
from rag.split import split
from search_app.ahead import Ahead
from search_app.encoding import RememberingEncoder
from search_app.ingest_results import Encoded, Failed, Parsed, Report, Row, Seen, Unchanged
from search_app.ingest_rows import store_versions, update_document
from search_app.models import Collection, Document
from search_app.sources import Reader, Source

log = logging.getLogger(__name__)

PARSING = 1
"""Raise it when parsers or split give other results than before: documents are then parsed anew."""
PARSED_AHEAD = 3
"""Parsed documents that wait for the encoder. Each may be as long as the parser allows."""
ENCODED_AHEAD = 32
ENCODED_TOGETHER = 32
"""Passages of small documents gathered for the encoder."""
NO_TEXT = "The file has no text."

Parse = Callable[[bytes, str], ParsedDocument]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """The parts a run needs. The writer's lock makes runs exclusive; its holder may sweep."""

    collection: Collection
    parse: Parse
    encoder: Encoder
    split: SplitSpec
    reader: IndexReader
    writer: IndexWriter
    group_passages: int
    group_seconds: float

    @property
    def recipe(self) -> str:
        """What, apart from the content, a document's passages depend on."""
        split = f"{self.split.max_tokens}/{self.split.overlap_tokens}"
        return f"parsing {PARSING}, split {split}, encoder {self.encoder.fingerprint}"

    def run(self, sources: Sequence[Source], progress: Callable[[], None] = lambda: None) -> Report:
        """Bring these files into the collection. `progress` is called once for each file that is done."""
        began = time.monotonic()
        _durable()
        absent, swept = sweep(self.reader, self.writer)
        report = Report(swept=swept)
        rows = self._rows(sources, absent)
        encoder = RememberingEncoder(self.encoder)
        files = Reader()
        read = (self._read(source, rows[source.name], files) for source in sources)
        with Ahead(read, PARSED_AHEAD) as parsed, Ahead(_encode_all(parsed, encoder), ENCODED_AHEAD) as done:
            for group in self._groups(done):
                self._commit(group)
                for result in group:
                    report.add(result)
                    progress()
        report.seconds = time.monotonic() - began
        report.encoder_seconds, report.encoded_passages = encoder.seconds, encoder.encoded
        return report

    def _rows(self, sources: Sequence[Source], absent: frozenset[int]) -> dict[str, Row]:
        """A row for every source by name; new ones are queued, so that they can be seen to wait."""
        state = Document.State
        documents = Document.objects.filter(collection=self.collection)
        known = set(documents.values_list("name", flat=True))
        new = [
            Document(collection=self.collection, name=s.name, format=s.format, state=state.QUEUED)
            for s in sources
            if s.name not in known
        ]
        with transaction.atomic():
            Document.objects.bulk_create(new, batch_size=500)
        names = {source.name for source in sources}
        fields = ("id", "name", "state", "version", "content_hash", "recipe")
        return {
            name: Row(pk, version, current == state.SEARCHABLE and pk not in absent, content_hash, recipe)
            for pk, name, current, version, content_hash, recipe in documents.values_list(*fields)
            if name in names
        }

    def _read(self, source: Source, row: Row, files: Reader) -> Unchanged | Failed | Parsed:
        """Read, compare, parse and split one file."""
        try:
            data = files.read(source)
        except ParseError as error:
            return Failed(Seen(source, row, "", 0), str(error))
        seen = Seen(source, row, hashlib.sha256(data).hexdigest(), len(data))
        if row.intact and (row.content_hash, row.recipe) == (seen.content_hash, self.recipe):
            return Unchanged(seen)
        try:
            document = self.parse(data, source.name)
        except ParseError as error:
            return Failed(seen, str(error))
        passages = split(
            document,
            document_id=str(row.id),
            version=row.version + 1,
            collection=self.collection.name,
            encoder=self.encoder,
            spec=self.split,
        )
        return Parsed(seen, document, tuple(passages)) if passages else Failed(seen, NO_TEXT)

    def _groups(
        self, done: Iterable[Unchanged | Failed | Encoded]
    ) -> Iterator[list[Unchanged | Failed | Encoded]]:
        """Gather what is committed together: bounded by passages and by time."""
        group: list[Unchanged | Failed | Encoded] = []
        passages, began = 0, time.monotonic()
        for result in done:
            if not group:
                began = time.monotonic()
            group.append(result)
            passages += len(result.passages.passages) if isinstance(result, Encoded) else 0
            if passages >= self.group_passages or time.monotonic() - began >= self.group_seconds:
                yield group
                group, passages = [], 0
        if group:
            yield group

    def _commit(self, group: Sequence[Unchanged | Failed | Encoded]) -> None:
        encoded = [result for result in group if isinstance(result, Encoded)]
        failed = [result for result in group if isinstance(result, Failed)]
        self.writer.write(result.passages for result in encoded)
        with transaction.atomic():
            ids = [result.seen.row.id for result in encoded]
            alive = set(Document.objects.select_for_update().filter(pk__in=ids).values_list("pk", flat=True))
            store_versions([result for result in encoded if result.seen.row.id in alive], self.recipe)
            for result in failed:
                update_document(result.seen, state=Document.State.FAILED, reason=result.reason)
        # Only now: a reader who finds the old version until here is still allowed to show it.
        for result in encoded:
            if result.seen.row.id not in alive:  # deleted by somebody meanwhile
                self.writer.delete(str(result.seen.row.id))
            elif result.seen.row.version:
                self.writer.delete(str(result.seen.row.id), version=result.seen.row.version)


def sweep(reader: IndexReader, writer: IndexWriter) -> tuple[frozenset[int], int]:
    """Take out of the index what the database does not call current.

    Returns the ids of current documents that the index lacks, and how many entries were taken out.
    """
    held = reader.documents()
    current = {
        (str(pk), version)
        for pk, version in Document.objects.filter(version__gt=0).values_list("pk", "version")
    }
    stale = [entry for entry in held if entry not in current]
    for document_id, version in stale:
        writer.delete(document_id, version=version)
    return frozenset(int(document_id) for document_id, _ in current - held.keys()), len(stale)


def _encode_all(
    results: Iterable[Unchanged | Failed | Parsed], encoder: RememberingEncoder
) -> Iterator[Unchanged | Failed | Encoded]:
    """Encode what was parsed, several small documents together; the order of the others may change."""
    waiting: list[Parsed] = []
    for result in results:
        if not isinstance(result, Parsed):
            yield result
            continue
        waiting.append(result)
        if sum(len(parsed.passages) for parsed in waiting) >= ENCODED_TOGETHER:
            yield from _encode(waiting, encoder)
            waiting = []
    yield from _encode(waiting, encoder)


def _encode(parsed: Sequence[Parsed], encoder: RememberingEncoder) -> Iterator[Encoded]:
    encoded = encoder.encode([result.passages for result in parsed])
    for result, passages in zip(parsed, encoded, strict=True):
        yield Encoded(result.seen, result.document, passages)


def _durable() -> None:
    """Have SQLite wait for the disk at each commit of this process.

    The old version leaves the index after the commit: losing that commit to a power cut would leave
    the document in neither.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:  # it refuses inside a transaction
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")
