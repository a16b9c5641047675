"""Collections deleted whole or not at all."""

from django.db import transaction

from search_app import uploads
from search_app.models import Collection, Document


def delete(collection: Collection) -> int:
    """Delete a collection with its documents, their versions and their texts; returns how many documents.

    The collection's row is held meanwhile: an upload into it waits, and then finds no collection.
    """
    with transaction.atomic():
        Collection.objects.select_for_update().get(pk=collection.pk)
        deleted = uploads.delete(Document.objects.filter(collection=collection).only("pk"))
        collection.delete()
    return deleted
