"""Who works on which document: a claim is a lease on a row, and its fence is the version it will write.

Each claim counts the fence up, and so does each replacement and retry: a result counts only while the
row is at work under the fence that it was claimed with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from search_app import removals
from search_app.models import Document, DocumentVersion

State = Document.State

AT_ONCE = 500
"""Rows named in one query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A document as it was when it was claimed. `fence` is the version that may be written of it."""

    document: int
    name: str
    collection: str
    content_hash: str
    fence: int
    attempts: int
    """This one counted in."""
    version: int
    """The current one, of older or the same content; 0: none."""
    recipe: str
    """What made the current version."""
    made_of: str
    """SHA-256 of the content that the current version was made of."""

    @property
    def format(self) -> str:
        return PurePosixPath(self.name).suffix[1:17].lower()


def due(now: datetime | None = None) -> QuerySet[Document]:
    """Documents that wait, and those whose worker gave no sign of life until its lease ended."""
    return Document.objects.filter(Q(state=State.QUEUED) | _lapsed(now or timezone.now()))


def lapse(now: datetime | None = None, *, everything: bool = False) -> int:
    """Queue what was being worked on and has no lease any more; returns how many.

    `everything`: whatever its lease says. Only for who knows that no other worker lives: the holder of
    the lock of an index with one writer. What the one before may have written is to leave the index.
    """
    rows = Document.objects.filter(Q(state=State.WORKING) if everything else _lapsed(now or timezone.now()))
    with transaction.atomic():
        lost = list(rows.order_by("pk").select_for_update().values_list("pk", "fence"))
        for first in range(0, len(lost), AT_ONCE):
            some = lost[first : first + AT_ONCE]
            removals.abandon(some)
            Document.objects.filter(pk__in=[pk for pk, _ in some]).update(
                state=State.QUEUED, lease_until=None
            )
    return len(lost)


def claim(
    limit: int,
    *,
    now: datetime | None = None,
    lease_s: float | None = None,
    collections: Sequence[str] | None = None,
    alone: bool = True,
    without: Iterable[int] = (),
) -> list[Claim]:
    """Claim at most `limit` documents: fewest attempts first, then the longest queued.

    One that was claimed before comes by itself, so that a document that kills its worker takes no other
    one's attempts with it, and only where it may be `alone`. Documents that have had all their attempts
    are failed. `without` are those that the caller has in hand: of one that is replaced meanwhile it is to
    bring the old claim to its end first.
    """
    now = now or timezone.now()
    until = now + timedelta(seconds=settings.INGEST_LEASE_SECONDS if lease_s is None else lease_s)
    with transaction.atomic():
        lapse(now)
        _give_up()
        rows = Document.objects.filter(state=State.QUEUED).order_by("queued", "pk")
        if held := list(without):
            rows = rows.exclude(pk__in=held)
        if collections is not None:
            rows = rows.filter(collection__name__in=collections)
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        chosen = [row.pk for row in rows.filter(attempts=0).only("pk")[:limit]]
        if not chosen and alone:
            again = rows.filter(attempts__gt=0).order_by("attempts", "queued", "pk")
            chosen = [row.pk for row in again.only("pk")[:1]]
        Document.objects.filter(pk__in=chosen).update(
            state=State.WORKING, fence=F("fence") + 1, attempts=F("attempts") + 1, lease_until=until
        )
        return _claims(chosen)


def renew(claims: Iterable[Claim], *, now: datetime | None = None, lease_s: float | None = None) -> None:
    """A sign of life."""
    until = (now or timezone.now()) + timedelta(
        seconds=settings.INGEST_LEASE_SECONDS if lease_s is None else lease_s
    )
    with transaction.atomic():
        Document.objects.filter(pk__in=held(claims)).update(lease_until=until)


def held(claims: Iterable[Claim]) -> set[int]:
    """Documents whose claims still count, their rows locked for the rest of the transaction."""
    fences = {claim.document: claim.fence for claim in claims}
    rows = Document.objects.select_for_update().filter(pk__in=fences, state=State.WORKING).order_by("pk")
    return {pk for pk, fence in rows.values_list("pk", "fence") if fences[pk] == fence}


def finish(claims: Sequence[Claim]) -> set[int]:
    """Say that these were found by queries of their own; returns the documents whose claims still counted."""
    return _end(claims, state=State.SEARCHABLE, reason="")


def refuse(claims: Sequence[Claim], reason: str) -> set[int]:
    """Say that this content cannot be indexed, however often it is tried."""
    return _end(claims, state=State.FAILED, reason=reason)


def give_back(claims: Sequence[Claim]) -> set[int]:
    """Queue again what was not begun, or not at fault: the attempt does not count."""
    return _end(claims, state=State.QUEUED, attempts=F("attempts") - 1)


def fail_attempt(claims: Sequence[Claim], reason: str) -> set[int]:
    """Queue again what went wrong; what has had all its attempts is failed for this reason.

    Returns the documents that are failed.
    """
    last = [claim for claim in claims if claim.attempts >= settings.INGEST_ATTEMPTS]
    with transaction.atomic():
        _end([claim for claim in claims if claim not in last], state=State.QUEUED)
        return refuse(last, reason)


def change(rows: QuerySet[Document], **values: object) -> int:
    """Update these rows, locked in the order of their ids, which is that of all locks; returns how many."""
    with transaction.atomic():
        numbers = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        for first in range(0, len(numbers), AT_ONCE):
            Document.objects.filter(pk__in=numbers[first : first + AT_ONCE]).update(**values)
    return len(numbers)


def _end(claims: Sequence[Claim], **values: object) -> set[int]:
    with transaction.atomic():
        documents = held(claims)
        rows = Document.objects.filter(pk__in=documents)
        rows.update(lease_until=None, updated=timezone.now(), **values)
    return documents


def _lapsed(now: datetime) -> Q:
    return Q(state=State.WORKING) & (Q(lease_until=None) | Q(lease_until__lte=now))


def _give_up() -> None:
    times = {1: "once", 2: "twice", 3: "three times"}.get(
        settings.INGEST_ATTEMPTS, f"{settings.INGEST_ATTEMPTS} times"
    )
    reason = (
        f"Its worker stopped {times} while it was at this document. Retry it, or look into the worker's log."
    )
    spent = Document.objects.filter(state=State.QUEUED, attempts__gte=settings.INGEST_ATTEMPTS)
    change(spent, state=State.FAILED, reason=reason, lease_until=None, updated=timezone.now())


def _claims(chosen: Sequence[int]) -> list[Claim]:
    """The claims of rows just claimed, in the order given."""
    current = DocumentVersion.objects.filter(document=OuterRef("pk"), version=OuterRef("version"))
    rows = (
        Document.objects.filter(pk__in=chosen)
        .annotate(made_of=Subquery(current.values("content_hash")[:1]))
        .select_related("collection")
    )
    found = {
        row.pk: Claim(
            document=row.pk,
            name=row.name,
            collection=row.collection.name,
            content_hash=row.content_hash,
            fence=row.fence,
            attempts=row.attempts,
            version=row.version,
            recipe=row.recipe,
            made_of=row.made_of or "",
        )
        for row in rows
    }
    return [found[pk] for pk in chosen]
