"""Documents in and out. Each call is whole or not at all; the work that follows is the row itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from rag.errors import ParseError, SieveError
from rag.parse import archive
from search_app import contents, dispatch
from search_app.models import Collection, Document, Removal
from search_app.sources import clean_name

State = Document.State


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
    name = clean_name(name).strip().strip("/")
    if not name or name in {".", ".."}:
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

    The same content again changes nothing, whoever sends it and however often, unless the document had
    failed: then it is tried again. What was searchable stays so until the new content is.
    """
    latest = {arrival.name: arrival for arrival in arrivals}  # the last of a name counts, as when unzipping
    with transaction.atomic():
        results = [_put(collection, arrival, uploader) for arrival in latest.values()]
    if any(result.changed for result in results):
        dispatch.hint_ingest()
    return results


def _put(collection: Collection, arrival: Arrival, uploader: int | None) -> Put:
    suffix = PurePosixPath(arrival.name).suffix[1:17].lower()
    document, created = Document.objects.get_or_create(
        collection=collection, name=arrival.name, defaults={"format": suffix}
    )
    document = Document.objects.select_for_update().get(pk=document.pk)
    sha256, size = (arrival.kept.sha256, arrival.kept.size) if arrival.kept else ("", 0)
    if not created and document.content_hash == sha256 and document.state != State.FAILED:
        return Put(document, False, False)
    document.content_hash, document.size, document.uploader_id = sha256, size, uploader
    document.queued = timezone.now()
    _again(document)
    if arrival.kept is None:
        document.state, document.reason = State.FAILED, arrival.reason
    document.save()
    return Put(document, True, created)


def _again(document: Document) -> None:
    """Queue it from the start; whoever is at it has lost it, by the fence."""
    document.state, document.reason, document.attempts = State.QUEUED, "", 0
    document.fence += 1
    document.lease_until = None


def retry(documents: Iterable[Document]) -> int:
    """Try failed documents again, from the content that is kept; returns how many were queued."""
    with transaction.atomic():
        failed = Document.objects.select_for_update().filter(
            pk__in=[d.pk for d in documents], state=State.FAILED
        )
        rows = list(failed.exclude(content_hash=""))
        for document in rows:
            document.queued = timezone.now()
            _again(document)
            document.save()
    if rows:
        dispatch.hint_ingest()
    return len(rows)


def delete(documents: Iterable[Document]) -> int:
    """Delete documents with all their versions and what traces kept of their texts; returns how many.

    From here on the check of access refuses their passages, wherever they come from; a `Removal` each
    takes them out of the index.
    """
    ids = [d.pk for d in documents]
    with transaction.atomic():
        rows = Document.objects.select_for_update().filter(pk__in=ids)
        numbers = list(rows.values_list("pk", flat=True))
        Removal.objects.bulk_create(Removal(document_number=number) for number in numbers)
        Document.objects.filter(pk__in=numbers).delete()
    if numbers:
        dispatch.hint_ingest()
    return len(numbers)


def reindex(collection: Collection) -> int:
    """Queue every document of a collection again, as after a change of the recipe."""
    return requeue(Document.objects.filter(collection=collection))


def requeue(documents: QuerySet[Document]) -> int:
    """Queue these documents again whatever their state, from the content that is kept; returns how many."""
    with transaction.atomic():
        changed = documents.exclude(content_hash="").update(
            state=State.QUEUED,
            reason="",
            attempts=0,
            fence=F("fence") + 1,
            lease_until=None,
            queued=timezone.now(),
        )
    if changed:
        dispatch.hint_ingest()
    return changed
