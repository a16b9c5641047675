"""What must leave the index, whoever took it out of the database; done by whoever holds a writer of it."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q
from django.db.models.signals import post_delete
from django.dispatch import receiver

from rag.index.base import IndexReader, IndexWriter
from search_app.models import Document, Removal

AT_ONCE = 500
AMONG = 10 * AT_ONCE
"""Some of so many are done at a time: several workers then seldom do the same ones."""


@receiver(post_delete, sender=Document, dispatch_uid="removals")
def note(sender: object, instance: Document, **_: Any) -> None:
    """A removal for every deleted document, in the same transaction: also where a whole collection goes."""
    Removal.objects.create(document_number=instance.pk)


def abandon(entries: Iterable[tuple[int, int]]) -> None:
    """Note (document id, fence) that somebody may have begun to write and that nobody can commit any more.

    What became current is left out, and so are documents that are gone: a deletion has its own removal.
    """
    fences = dict(entries)
    rows = Document.objects.filter(pk__in=fences).values_list("pk", "version")
    Removal.objects.bulk_create(
        Removal(document_number=pk, version=fences[pk]) for pk, version in rows if version != fences[pk]
    )


def perform(writer: IndexWriter) -> int:
    """Take out of the index what is to leave it; returns how many removals were done.

    When it returns, all that were there when it began are done. Several workers may be at it: one that is
    done twice changes nothing, and a row goes only after its removal.
    """
    done = 0
    while numbers := list(Removal.objects.values_list("pk", flat=True)[:AMONG]):
        chosen = random.sample(numbers, min(AT_ONCE, len(numbers)))
        rows = list(Removal.objects.filter(pk__in=chosen))
        writer.delete_many([(str(row.document_number), row.version) for row in rows])
        deleted, _ = Removal.objects.filter(pk__in=[row.pk for row in rows]).delete()
        done += deleted
    return done


def sweep(reader: IndexReader, writer: IndexWriter) -> tuple[list[int], int]:
    """Take out of the index what the database does not call current, and nobody is about to make so.

    Returns the ids of current documents that the index lacks, and how many entries were taken out. Other
    workers may write and commit meanwhile: the index is read first and the database after, so that what
    is committed in between is current; what is written and waits for its commit has the fence of a row
    at work; and what was written after the index was read is looked for a second time.
    """
    held = reader.documents()
    wanted, at_work = _wanted()
    stale = [entry for entry in held if entry not in wanted and entry not in at_work]
    writer.delete_many(stale)
    absent = wanted - held.keys()
    if absent and not writer.exclusive:
        held = reader.documents()
        absent = (absent - held.keys()) & _wanted()[0]
    return sorted(int(document_id) for document_id, _ in absent), len(stale)


def _wanted() -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """(document id, version) of what is current, and of what workers may be writing at this moment.

    The second whatever their leases say: only a new claim takes a row away. One query, so that nothing
    is committed between the two.
    """
    at_work = Document.State.WORKING
    rows = Document.objects.filter(Q(version__gt=0) | Q(state=at_work))
    current, begun = set(), set()
    for pk, version, fence, state in rows.values_list("pk", "version", "fence", "state").iterator(10_000):
        if version:
            current.add((str(pk), version))
        if state == at_work and fence != version:
            begun.add((str(pk), fence))
    return current, begun


def batches(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    for first in range(0, len(numbers), AT_ONCE):
        yield numbers[first : first + AT_ONCE]
