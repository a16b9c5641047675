"""What the ingest worker does, in this process and at once."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from django.db import transaction

from rag.index.base import IndexWriter
from rag.ingest import encode
from rag.parse.select import parse
from rag.split import split
from search_app import contents, pipelines
from search_app.models import Document, DocumentVersion, PassageRow, Removal


@dataclass
class Worker:
    writer: IndexWriter

    def work(self) -> None:
        """Index what is queued, then take out what must go."""
        spec = pipelines.default()
        encoder = pipelines.encoder(spec)
        for document in Document.objects.filter(state="queued").select_related("collection"):
            fence = document.fence + 1
            parsed = parse(contents.read(document.content_hash), PurePosixPath(document.name).name)
            passages = tuple(
                split(
                    parsed,
                    document_id=str(document.pk),
                    version=fence,
                    collection=document.collection.name,
                    encoder=encoder,
                    spec=spec.split,
                )
            )
            self.writer.write(encode([passages], encoder))
            old = document.version
            with transaction.atomic():
                row = DocumentVersion.objects.create(
                    document=document,
                    version=fence,
                    content_hash=document.content_hash,
                    title=parsed.title,
                    passage_title=passages[0].title,
                    text=parsed.text,
                    headings=[[h.start, h.level, h.text] for h in parsed.headings],
                    pages=list(parsed.pages),
                )
                PassageRow.objects.bulk_create(
                    PassageRow(
                        version=row,
                        position=p.position,
                        start=p.span[0],
                        end=p.span[1],
                        headings=list(p.headings),
                        page=p.page,
                        tokens=p.tokens,
                    )
                    for p in passages
                )
                Document.objects.filter(pk=document.pk).update(fence=fence, version=fence, state="searchable")
                DocumentVersion.objects.filter(document=document, version__lt=fence).delete()
            if old:
                self.writer.delete(str(document.pk), version=old)
        for removal in Removal.objects.all():
            self.writer.delete(str(removal.document_number), version=removal.version)
            removal.delete()
