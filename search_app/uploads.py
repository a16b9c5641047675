"""Documents in and out. Each call is whole or not at all; the work that follows is the row itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TypeVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from rag.errors import ParseError, SieveError
from rag.parse import archive
from search_app import contents, dispatch
from search_app.durable import durable
from search_app.models import Collection, Document
from search_app.sources import clean_name

State = Document.State
T = TypeVar("T")

AT_ONCE = 500
"""Rows named in one query."""


@dataclass(frozen=True, slots=True)
class Put:
    """What became of one file."""

    document: Document
    changed: bool
    """False: the document has this content already, and nothing is to be done."""
    created: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that is to become a document: kept bytes, or the reason why it cannot even be read."""

    name: str
    kept: contents.Kept | None
    reason: str = ""


def arrive(name: str, pieces: Iterable[bytes]) -> list[Arrival]:
    """Keep one uploaded file; an archive is opened, and each of its members arrives as its own file.

    Raises `SieveError` for a name that is none.
    """
    name = clean_name(archive.label(name)).strip()
    if not name:
        raise SieveError("The file has no name. Give it one, such as handbook/rest.md.")
    try:
        kept = contents.put(pieces)
        if not archive.is_archive(name):
            return [Arrival(name, kept)]
        members = [
            Arrival(clean_name(f"{name}/{member}"), None, str(content))
            if isinstance(content, ParseError)
            else Arrival(clean_name(f"{name}/{member}"), contents.put([content]))
            for member, content in archive.members(contents.read(kept.sha256))
        ]
    except ParseError as error:
        return [Arrival(name, None, str(error))]
    return members or [Arrival(name, None, "The archive holds no files.")]


def put(collection: Collection, arrivals: Sequence[Arrival], *, uploader: int | None = None) -> list[Put]:
    """Make each arrival the newest content of the document of its name; all of them, or none.

    The same content again changes nothing, whoever sends it and however often, unless the document has
    failed or has had its attempts: then it is tried again. What was searchable stays so until the new
    content is.
    """
    latest = {arrival.name: arrival for arrival in arrivals}  # the last of a name counts, as when unzipping
    try:
        with durable():
            results = _put(collection, latest, uploader)
    except (IntegrityError, Document.DoesNotExist) as error:
        if Collection.objects.filter(pk=collection.pk).exists():
            raise
        raise SieveError("The collection was deleted meanwhile.") from error
    if any(result.changed for result in results):
        dispatch.hint_ingest()
    return results


def _put(collection: Collection, latest: dict[str, Arrival], uploader: int | None) -> list[Put]:
    """Locks rows in the order of their ids, then makes new names in theirs: no two calls block each other."""
    now = timezone.now()
    known: dict[str, Document] = {}
    for some in _batches(sorted(latest)):
        rows = Document.objects.filter(collection=collection, name__in=some)
        known |= {document.name: document for document in rows}
    known = {document.name: document for document in _locked(known.values())}
    new = [
        Document(collection=collection, name=name, format=PurePosixPath(name).suffix[1:17].lower())
        for name in sorted(latest.keys() - known.keys())
    ]
    for document in new:
        _take(document, latest[document.name], uploader, now)
    made = _insert(new)
    for some in _batches([d.name for d in new if d.name not in made]):  # other uploads made them just now
        rows = Document.objects.filter(collection=collection, name__in=some)
        known |= {document.name: document for document in _locked(rows)}
    results = []
    for name, arrival in latest.items():
        if name in made:
            results.append(Put(made[name], True, True))
            continue
        document = known.get(name)
        if document is None:  # and yet others deleted it again
            raise Document.DoesNotExist
        changed = _is_lost(document) or document.content_hash != _sha256(arrival)
        if changed:
            document.fence += 1  # whoever is at it has lost it
            _take(document, arrival, uploader, now)
            document.save()
        results.append(Put(document, changed, False))
    return results


def _is_lost(document: Document) -> bool:
    """Failed, or about to be: it has had its attempts, and who made the last one may be dead."""
    spent = document.attempts >= settings.INGEST_ATTEMPTS and document.state != State.SEARCHABLE
    return spent or document.state == State.FAILED


def _take(document: Document, arrival: Arrival, uploader: int | None, now: datetime) -> None:
    """Queue the document with this content, from the start; or say why it has none."""
    document.content_hash = _sha256(arrival)
    document.size = arrival.kept.size if arrival.kept else 0
    document.uploader_id = uploader
    document.state = State.QUEUED if arrival.kept else State.FAILED
    document.reason = arrival.reason
    document.queued, document.attempts, document.lease_until = now, 0, None


def _insert(new: Sequence[Document]) -> dict[str, Document]:
    """Make these rows; returns those that nobody else had made just before, by name."""
    try:
        with transaction.atomic():
            Document.objects.bulk_create(new, batch_size=AT_ONCE)
            return {document.name: document for document in new}
    except IntegrityError:
        made = {}
        for document in new:
            try:
                with transaction.atomic():
                    document.pk = None
                    document.save(force_insert=True)
            except IntegrityError:
                continue
            made[document.name] = document
        return made


def _sha256(arrival: Arrival) -> str:
    return arrival.kept.sha256 if arrival.kept else ""


def retry(documents: Iterable[Document]) -> int:
    """Try failed documents again, from the content that is kept; returns how many were queued."""
    return _queue(documents, state=State.FAILED)


def requeue(documents: Iterable[Document]) -> int:
    """Queue these documents again, whatever their state; returns how many.

    What is made of its content by the recipe in use is only looked for, and not made anew if it is found.
    """
    return _queue(documents)


def reindex(collection: Collection) -> int:
    """Queue every document of a collection again, as after a change of the recipe."""
    return requeue(Document.objects.filter(collection=collection).only("pk"))


def _queue(documents: Iterable[Document], **only: str) -> int:
    """Queue from the start; whoever is at it has lost it, by the fence. Without content there is no work."""
    queued = 0
    with durable():
        for rows in _batched_rows(documents):
            held = [row.pk for row in rows.filter(**only).exclude(content_hash="").select_for_update()]
            queued += Document.objects.filter(pk__in=held).update(
                state=State.QUEUED,
                reason="",
                attempts=0,
                fence=F("fence") + 1,
                lease_until=None,
                queued=timezone.now(),
                updated=timezone.now(),
            )
    if queued:
        dispatch.hint_ingest()
    return queued


def delete(documents: Iterable[Document]) -> int:
    """Delete documents with all their versions and what traces kept of their texts; returns how many.

    From here on the check of access refuses their passages, wherever they come from; a `Removal` each
    (`search_app.removals`) takes them out of the index.
    """
    deleted = 0
    with durable():
        for rows in _batched_rows(documents):
            numbers = [row.pk for row in rows.select_for_update()]
            Document.objects.filter(pk__in=numbers).delete()
            deleted += len(numbers)
    if deleted:
        dispatch.hint_ingest()
    return deleted


def _locked(documents: Iterable[Document]) -> Iterator[Document]:
    """These documents as they are now, those that still exist, and held so."""
    for rows in _batched_rows(documents):
        yield from rows.select_for_update()


def _batched_rows(documents: Iterable[Document]) -> Iterator[QuerySet[Document]]:
    """The rows of these documents, some at a time, in the order of their ids: the order of all locks."""
    for numbers in _batches(sorted(document.pk for document in documents)):
        yield Document.objects.filter(pk__in=numbers).order_by("pk")


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), AT_ONCE):
        yield items[first : first + AT_ONCE]
