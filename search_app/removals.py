"""What must leave the index, whoever took it out of the database; done by the holder of its writer."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from rag.index.base import IndexReader, IndexWriter
from search_app.models import Document, Removal

AT_ONCE = 500


@receiver(post_delete, sender=Document, dispatch_uid="removals")
def note(sender: object, instance: Document, **_: Any) -> None:
    """A removal for every deleted document, in the same transaction: also where a whole collection goes."""
    Removal.objects.create(document_number=instance.pk)


def perform(writer: IndexWriter) -> int:
    """Take out of the index what is to leave it; returns how many removals were done."""
    done = 0
    while rows := list(Removal.objects.all()[:AT_ONCE]):
        writer.delete_many([(str(row.document_number), row.version) for row in rows])
        Removal.objects.filter(pk__in=[row.pk for row in rows]).delete()
        done += len(rows)
    return done


def sweep(reader: IndexReader, writer: IndexWriter) -> tuple[frozenset[int], int]:
    """Take out of the index what the database does not call current.

    Returns the ids of current documents that the index lacks, and how many entries were taken out.
    """
    held = reader.documents()
    rows = Document.objects.filter(version__gt=0).values_list("pk", "version")
    current = {(str(pk), version) for pk, version in rows}
    stale = [entry for entry in held if entry not in current]
    writer.delete_many(stale)
    return frozenset(int(document_id) for document_id, _ in current - held.keys()), len(stale)
