"""Writes. Each is whole or not at all."""

import uuid
from collections.abc import Iterable
from datetime import date, timedelta

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.crypto import get_random_string

from rag import trace_store
from rag.errors import SieveError
from rag.trace import Trace
from rag.types import Passage
from search_app import metrics, modes
from search_app.access import Viewer
from search_app.events import event
from search_app.models import (
    DEFAULT_LANGUAGE,
    Collection,
    Conversation,
    Document,
    PassageText,
    PipelineRecord,
    TraceRecord,
)
from search_app.models.traces import today
from search_app.pages.said import checked, counts


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


def note_encoder(fingerprint: str) -> None:
    """Say that every searchable document is now encoded by this encoder; split and parser stay."""
    documents = Document.objects.filter(version__gt=0)
    for recipe in set(documents.values_list("recipe", flat=True)):
        noted = recipe.rpartition(", encoder ")[0] + f", encoder {fingerprint}"
        if noted != recipe:
            documents.filter(recipe=recipe).update(recipe=noted)


# --- Traces ----------------------------------------------------------------------------------------------


def record_trace(
    trace: Trace,
    viewer: Viewer,
    trace_id: uuid.UUID | None = None,
    conversation: Conversation | None = None,
) -> TraceRecord:
    """Keep a trace: one row, and those of its texts that are not kept yet."""
    values = {"name": trace.pipeline, "spec": dict(trace.spec)}
    pipeline, _ = PipelineRecord.objects.get_or_create(fingerprint=trace.fingerprint, defaults=values)
    passages = trace.passages
    record = TraceRecord(
        id=trace_id or uuid.uuid4(),
        user_id=viewer.user_id if viewer.behind is None else viewer.behind,
        as_user_id=None if viewer.behind is None else viewer.user_id,
        asker=viewer.asker,
        conversation=conversation,
        question=trace.query.text,
        pipeline=pipeline,
        degraded=bool(trace.degraded),
        rerank_status=trace.rerank.status,
        total_ms=trace.total_ms,
        answered=trace.answer is not None and trace.answer.finish_reason == "answered",
        documents=sorted({p.document_id for p in passages.values()}),
        used=sorted({passages[c.passage_id].document_id for c in trace.context}),
        body=trace_store.to_json(trace),
    )
    with transaction.atomic():
        _keep_texts((*passages.values(), *trace.widened))
        if conversation is not None:
            conversation.save()  # begins with its first question, and says when the last one was asked
        record.save(force_insert=True)
    metrics.count_question(trace)
    checks = checked(trace)
    event(
        "question",
        trace=record.pk,
        pipeline=trace.pipeline,
        rerank=record.rerank_status,
        degraded=record.degraded,
        index=modes.mode(trace) or "none",
        answered=record.answered,
        readable=trace.readable,
        candidates=len(trace.final),
        passages=len(trace.context),
        finish=trace.answer.finish_reason if trace.answer else "none",
        sentences=len(checks),
        unsupported=counts(checks)["unsupported"],
        first_ms=trace.first_ms or 0.0,
        total_ms=record.total_ms,
    )
    return record


TEXT_NOTED = timedelta(days=7)
"""A kept text is noted as used only so often: most questions then write none."""
_noted: dict[tuple[int, str], date] = {}
"""Texts that this process knows to be kept, and the day it saw that; few enough for 12 MB."""
_NOTED_MOST = 50_000


def _keep_texts(passages: Iterable[Passage]) -> None:
    """Keep the texts of passages whose documents still exist, and that they were used."""
    day = today()
    texts = {
        key: p.text
        for p in passages
        if p.document_id.isdecimal()
        and _noted.get(key := (int(p.document_id), trace_store.text_hash(p.text))) != day
    }
    if not texts:
        return
    numbers, hashes = {number for number, _ in texts}, [sha256 for _, sha256 in texts]
    fresh = PassageText.objects.filter(document_id__in=numbers, sha256__in=hashes, used__gt=day - TEXT_NOTED)
    known = set(fresh.values_list("document_id", "sha256"))
    existing = set(Document.objects.filter(pk__in=numbers).values_list("pk", flat=True))
    PassageText.objects.bulk_create(
        [
            PassageText(document_id=number, sha256=sha256, text=text, used=day)
            for (number, sha256), text in sorted(
                texts.items()
            )  # one order, so that two cannot lock each other
            if number in existing and (number, sha256) not in known
        ],
        update_conflicts=True,
        unique_fields=["document", "sha256"],
        update_fields=["used"],
    )
    kept = [key for key in texts if key[0] in existing]
    transaction.on_commit(lambda: _note(kept, day), robust=True)


def _note(kept: list[tuple[int, str]], day: date) -> None:
    if len(_noted) + len(kept) > _NOTED_MOST:
        _noted.clear()
    _noted.update(dict.fromkeys(kept, day))


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
