"""Reads. What a viewer may not see does not exist: the answer is None, never a refusal."""

import uuid
from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from rag import trace_store
from rag.errors import SieveError
from rag.types import Trace
from search_app import access
from search_app.access import Viewer
from search_app.models import Collection, Document, DocumentVersion, PassageText, TraceRecord


def collections(viewer: Viewer) -> QuerySet[Collection]:
    """Collections that may be read, by name, each with `searchable`, its number of documents in the index."""
    searchable = Count("documents", filter=Q(documents__version__gt=0))
    return access.readable(viewer).annotate(searchable=searchable)


def asked_collections(viewer: Viewer, names: list[str]) -> tuple[str, ...]:
    """The readable ones of the named collections, or all readable ones when none is named.

    Raises `SieveError` when a name is not among them, in the same words whether it exists or not.
    """
    known = list(access.readable(viewer).values_list("name", flat=True))
    unknown = sorted(set(names) - set(known))
    if unknown:
        have = ", ".join(known) or "none yet"
        raise SieveError(f"There is no collection {', '.join(unknown)}. Collections: {have}.")
    return tuple(sorted(set(names))) or tuple(known)


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document to be shown. `outdated` says that another version was asked for, which is gone."""

    document: Document
    version: DocumentVersion
    outdated: bool


def document(viewer: Viewer, document_id: int, version: int | None = None) -> OpenedDocument | None:
    """The current version of a document, when the viewer may read it and there is one."""
    row = (
        Document.objects.select_related("collection")
        .filter(pk=document_id, version__gt=0, collection__in=access.readable(viewer))
        .first()
    )
    if row is None:
        return None
    current = DocumentVersion.objects.get(document=row, version=row.version)
    return OpenedDocument(row, current, version is not None and version != row.version)


def trace(viewer: Viewer, trace_id: uuid.UUID) -> tuple[TraceRecord, Trace] | None:
    """A stored trace, when it exists and this viewer may read it."""
    record = TraceRecord.objects.select_related("user", "pipeline").filter(pk=trace_id).first()
    if record is None or not access.may_read_trace(viewer, record):
        return None
    return record, stored_trace(record)


def stored_trace(record: TraceRecord) -> Trace:
    """The trace of a row, with the texts of its passages; texts that were purged are empty."""
    hashes = {p["sha256"] for p in record.body["passages"]}
    texts = dict(PassageText.objects.filter(pk__in=hashes).values_list("sha256", "text"))
    return trace_store.from_json(record.body, texts)


def traces() -> QuerySet[TraceRecord]:
    """All traces, newest first, without their bodies. For staff only."""
    return TraceRecord.objects.select_related("user", "pipeline").defer("body")


def document_counts(collection: Collection) -> dict[str, Counter[str]]:
    """Documents of a collection by `state` and, of the searchable ones, by `format`."""
    rows = Document.objects.filter(collection=collection).values_list("state", "format", "version")
    counts: dict[str, Counter[str]] = {"state": Counter(), "format": Counter()}
    for state, suffix, version in rows:
        counts["state"][state] += 1
        if version:
            counts["format"][suffix] += 1
    return counts
