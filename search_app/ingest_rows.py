"""What an ingest writes into the database, inside the caller's transaction."""

from collections.abc import Sequence

from django.utils import timezone

from search_app.ingest_results import Encoded, Seen
from search_app.models import Document, DocumentVersion, PassageRow


def store_versions(results: Sequence[Encoded], recipe: str) -> None:
    """Make these versions current, and forget the ones before them."""
    made = DocumentVersion.objects.bulk_create(_version_row(result) for result in results)
    PassageRow.objects.bulk_create(
        PassageRow(
            version=version,
            position=p.position,
            start=p.span[0],
            end=p.span[1],
            headings=list(p.headings),
            page=p.page,
            tokens=p.tokens,
        )
        for version, result in zip(made, results, strict=True)
        for p in result.passages.passages
    )
    for result in results:
        version = result.passages.version
        update_document(
            result.seen, state=Document.State.SEARCHABLE, reason="", version=version, recipe=recipe
        )
        if result.seen.row.version:
            DocumentVersion.objects.filter(document=result.seen.row.id, version__lt=version).delete()


def _version_row(result: Encoded) -> DocumentVersion:
    parsed = result.document
    return DocumentVersion(
        document_id=result.seen.row.id,
        version=result.passages.version,
        title=parsed.title,
        passage_title=result.passages.passages[0].title,
        text=parsed.text,
        headings=[[heading.start, heading.level, heading.text] for heading in parsed.headings],
        pages=list(parsed.pages),
        metadata=dict(parsed.metadata),
    )


def update_document(seen: Seen, **values: object) -> None:
    """Note what was seen of a document, with these columns changed."""
    now = timezone.now()
    Document.objects.filter(pk=seen.row.id).update(
        content_hash=seen.content_hash, size=seen.size, updated=now, **values
    )
