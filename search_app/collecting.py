"""Collections made and deleted. Each call is whole or not at all."""

from django.db import transaction

from search_app import uploads
from search_app.models import Collection, Document

TOGETHER = 5000
"""Documents named in one query."""


def delete(collection: Collection) -> int:
    """Delete a collection with its documents, their versions and their texts; returns how many documents.

    The collection's row is held meanwhile: an upload into it waits, and then finds no collection.
    """
    with transaction.atomic():
        Collection.objects.select_for_update().get(pk=collection.pk)
        numbers = list(Document.objects.filter(collection=collection).values_list("pk", flat=True))
        for first in range(0, len(numbers), TOGETHER):
            uploads.delete(Document.objects.filter(pk__in=numbers[first : first + TOGETHER]))
        collection.delete()
    return len(numbers)
