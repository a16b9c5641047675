"""What an ingest writes into the database of a new version, inside the caller's transaction."""

from collections.abc import Sequence

from django.utils import timezone

from search_app.ingest_results import Encoded
from search_app.models import Document, DocumentVersion, PassageRow, Removal


def store_versions(results: Sequence[Encoded], recipe: str) -> None:
    """Make these versions current; those before them are forgotten, and are to leave the index."""
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
    now = timezone.now()
    for claim in (result.claim for result in results):
        rows = Document.objects.filter(pk=claim.document)
        rows.update(version=claim.fence, recipe=recipe, reason="", updated=now)
    replaced = [result.claim for result in results if result.claim.version]
    for claim in replaced:
        DocumentVersion.objects.filter(document=claim.document, version__lt=claim.fence).delete()
    Removal.objects.bulk_create(
        Removal(document_number=claim.document, version=claim.version) for claim in replaced
    )


def _version_row(result: Encoded) -> DocumentVersion:
    parsed = result.document
    return DocumentVersion(
        document_id=result.claim.document,
        version=result.claim.fence,
        content_hash=result.claim.content_hash,
        title=parsed.title,
        passage_title=result.passages.passages[0].title,
        text=parsed.text,
        headings=[[heading.start, heading.level, heading.text] for heading in parsed.headings],
        pages=list(parsed.pages),
        metadata=dict(parsed.metadata),
    )
