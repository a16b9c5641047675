"""Writes. Each is whole or not at all."""

import uuid
from collections.abc import Iterable

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.crypto import get_random_string

from rag import trace_store
from rag.errors import IndexBusy, ModelError, SieveError
from rag.trace import Trace
from search_app import pipelines
from search_app.access import Viewer
from search_app.models import (
    DEFAULT_LANGUAGE,
    Collection,
    Document,
    DocumentVersion,
    PassageRow,
    PassageText,
    PipelineRecord,
    TraceRecord,
)


def collection(name: str, *, language: str | None = None) -> Collection:
    """The collection of this name, made if there is none. Raises `SieveError` when the name cannot be one.

    The language of a collection is chosen when it is made: its index is cut and stemmed by it.
    """
    existing = Collection.objects.filter(name=name).first()
    if existing is None:
        made = Collection(name=name, language=language or DEFAULT_LANGUAGE)
        try:
            made.full_clean()
        except ValidationError as error:
            raise SieveError(f"{name!r} cannot be a collection: {' '.join(error.messages)}") from error
        made.save()
        return made
    if language and language != existing.language:
        raise SieveError(
            f"The collection {name} is in {existing.language}. To index it in {language}, "
            "ingest into a collection of another name."
        )
    return existing


# --- Documents -------------------------------------------------------------------------------------------


def delete_documents(documents: Iterable[Document]) -> bool:
    """Remove documents from the database, then from the index; what traces kept of their texts goes too.

    The rows go first: from then on the check of access refuses their passages. False when the index
    could not follow, because another process writes to it or none of its models is here: the next
    ingest clears the rest away.
    """
    ids = []
    with transaction.atomic():
        for document in documents:
            ids.append(str(document.pk))
            purge_texts(document)
            document.delete()
    try:
        writer = pipelines.writer(pipelines.encoder())
    except (IndexBusy, ModelError):
        return False
    try:
        for document_id in ids:
            writer.delete(document_id)
    finally:
        writer.close()
    return True


def purge_texts(document: Document) -> None:
    """Empty what traces keep of a document's passages; ids, ranks and scores stay."""
    for version in DocumentVersion.objects.filter(document=document):
        spans = PassageRow.objects.filter(version=version).values_list("start", "end")
        hashes = [trace_store.text_hash(version.text[start:end]) for start, end in spans]
        PassageText.objects.filter(pk__in=hashes).delete()


def note_encoder(fingerprint: str) -> None:
    """Say that every searchable document is now encoded by this encoder; split and parser stay."""
    documents = Document.objects.filter(version__gt=0)
    for recipe in set(documents.values_list("recipe", flat=True)):
        noted = recipe.rpartition(", encoder ")[0] + f", encoder {fingerprint}"
        documents.filter(recipe=recipe).update(recipe=noted)


# --- Traces ----------------------------------------------------------------------------------------------


def record_trace(trace: Trace, viewer: Viewer, trace_id: uuid.UUID | None = None) -> TraceRecord:
    """Keep a trace: one row, and those of its texts that are not kept yet."""
    values = {"name": trace.pipeline, "spec": dict(trace.spec)}
    pipeline, _ = PipelineRecord.objects.get_or_create(fingerprint=trace.fingerprint, defaults=values)
    record = TraceRecord(
        id=trace_id or uuid.uuid4(),
        user_id=viewer.user_id,
        asker=viewer.asker,
        question=trace.query.text,
        pipeline=pipeline,
        degraded=bool(trace.degraded),
        rerank_status=trace.rerank.status,
        total_ms=trace.total_ms,
        answered=trace.answer is not None and trace.answer.finish_reason == "answered",
        body=trace_store.to_json(trace),
    )
    texts = trace_store.texts(trace)
    known = set(PassageText.objects.filter(sha256__in=texts).values_list("sha256", flat=True))
    new = [PassageText(sha256=key, text=text) for key, text in texts.items() if key not in known]
    with transaction.atomic():
        PassageText.objects.bulk_create(new, ignore_conflicts=True)
        record.save(force_insert=True)
    return record


# --- People ----------------------------------------------------------------------------------------------


def first_admin(name: str = "admin") -> str | None:
    """Make the first superuser and return its password, or None when there is a superuser already."""
    users = get_user_model().objects
    with transaction.atomic():
        if users.filter(is_superuser=True).exists():
            return None
        if users.filter(username=name).exists():
            raise SieveError(f"There is a user {name} who is no superuser. Use manage.py createsuperuser.")
        password = get_random_string(20)
        users.create_superuser(name, password=password)
    return password
