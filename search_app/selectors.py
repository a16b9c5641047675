"""Reads. What a viewer may not see does not exist: the answer is None, never a refusal."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from rag import trace_store
from rag.errors import SieveError
from rag.given import GIVEN
from rag.spec import BlendSpec
from rag.trace import Trace
from rag.types import Passage, passage_id
from search_app import access, modes
from search_app.access import Viewer
from search_app.models import Collection, Document, DocumentVersion, PassageText, TraceRecord
from search_app.weights import blend_of


class UnknownCollection(SieveError):
    """A collection that is not there, or that the viewer may not read: the two are not told apart."""


def collections(viewer: Viewer) -> QuerySet[Collection]:
    """Collections that may be read, by name, each with `searchable`, its number of documents in the index."""
    searchable = Count("documents", filter=Q(documents__version__gt=0))
    return access.readable(viewer).annotate(searchable=searchable)


def asked_collections(viewer: Viewer, names: list[str]) -> tuple[str, ...]:
    """The readable ones of the named collections, or all readable ones when none is named.

    Raises `UnknownCollection` when a name is not among them, in the same words whether it exists or not.
    """
    known = list(access.readable(viewer).values_list("name", flat=True))
    unknown = sorted(set(names) - set(known))
    if unknown:
        have = ", ".join(known) or "none yet"
        raise UnknownCollection(f"There is no collection {', '.join(unknown)}. Collections: {have}.")
    return tuple(sorted(set(names))) or tuple(known)


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document to be shown. `outdated` says that another version was asked for, which is gone."""

    document: Document
    version: DocumentVersion
    outdated: bool


def document(viewer: Viewer, document_id: int, version: int | None = None) -> OpenedDocument | None:
    """The current version of a document, when the viewer may read it and there is one."""
    # One query: a version that is replaced meanwhile goes with its text.
    current = (
        DocumentVersion.objects.select_related("document__collection")
        .filter(document__pk=document_id, version=F("document__version"))
        .filter(document__collection__in=access.readable(viewer))
        .first()
    )
    if current is None:
        return None
    row = current.document
    return OpenedDocument(row, current, version is not None and version != row.version)


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A trace at rest, opened for somebody: what he may not read is blank in it, as is what is deleted."""

    record: TraceRecord
    trace: Trace
    gone: bool
    """The answer saw a document that is deleted now: `trace.answer` is None."""
    body: Mapping[str, Any]
    """The same as JSON values."""


def trace(viewer: Viewer, trace_id: uuid.UUID) -> StoredTrace | None:
    """A stored trace, when it exists and this viewer may read it."""
    record = TraceRecord.objects.select_related("user", "pipeline").filter(pk=trace_id).first()
    return stored_trace(viewer, record) if record and access.may_read_trace(viewer, record) else None


def answer(viewer: Viewer, trace_id: uuid.UUID) -> StoredTrace | None:
    """The same for the answer's page, which shows no more than the passages that the answer saw."""
    record = TraceRecord.objects.select_related("user", "pipeline").filter(pk=trace_id).first()
    return stored_trace(viewer, record) if record and access.may_read_answer(viewer, record) else None


def stored_trace(viewer: Viewer, record: TraceRecord) -> StoredTrace:
    """A trace as this viewer may see it; the caller has checked that he may open it."""
    body, gone = _seen_by(viewer, record)
    return StoredTrace(record, trace_store.from_json(body, _kept_texts(body)), gone, body)


def _seen_by(viewer: Viewer, record: TraceRecord) -> tuple[dict[str, Any], bool]:
    """The body without a word of what is deleted or may not be read now, and whether the answer is gone."""
    names = set(access.readable(viewer).values_list("name", flat=True))
    numbers = [int(d) for d in record.documents if d.isdecimal()]
    rows = Document.objects.filter(pk__in=numbers).values_list("pk", "collection__name")
    collection_of = {str(pk): name for pk, name in rows}

    def seen(passage: dict[str, Any]) -> dict[str, Any]:
        if passage["document_id"] == GIVEN:  # brought along by who asked: its text was never kept
            return passage | {"title": f"Text {passage['position'] + 1}"}
        if collection_of.get(passage["document_id"]) in names:
            return passage
        blank = {"title": "Deleted document", "headings": [], "sha256": ""}
        return passage | blank | ({} if passage["collection"] in names else {"collection": ""})

    query = record.body["query"]
    query = query | {"collections": [name for name in query["collections"] if name in names]}
    if not (access.owns(viewer, record) or viewer.is_staff):
        query = query | {"history": []}  # a shared answer shares no other question
    passages = [seen(passage) for passage in record.body["passages"]]
    widened = [seen(passage) for passage in record.body.get("widened", ())]
    gone = not collection_of.keys() >= set(record.used)
    body = record.body | {"query": query, "passages": passages, "widened": widened}
    return body | ({"answer": None, "checks": []} if gone else {}), gone


def _kept_texts(body: Mapping[str, Any]) -> dict[str, str]:
    """Texts of the passages by hash; those that are not kept any more are left out."""
    passages = [*body["passages"], *body.get("widened", ())]
    wanted = {p["sha256"] for p in passages}
    documents = {int(p["document_id"]) for p in passages if p["document_id"].isdecimal()}
    rows = PassageText.objects.filter(sha256__in=wanted, document_id__in=documents)
    return dict(rows.values_list("sha256", "text"))


def traces() -> QuerySet[TraceRecord]:
    """All traces, newest first, without their bodies. For staff only."""
    return TraceRecord.objects.select_related("user", "pipeline").defer("body")


def anything_to_search(names: Iterable[str]) -> bool:
    """Whether one of these collections has a document in the index."""
    return Document.objects.filter(collection__name__in=names, version__gt=0).exists()


def own_blend(names: Sequence[str]) -> BlendSpec | None:
    """The weights that a collection carries, when it is the only one asked and has some."""
    if len(names) != 1:
        return None
    value = Collection.objects.filter(name__in=names).values_list("blend", flat=True).first()
    return None if value is None else blend_of(value)


def languages() -> dict[str, str]:
    """Language of every collection, by name: what the index must be opened with."""
    return dict(Collection.objects.values_list("name", "language"))


def passages(document: Document, version: DocumentVersion) -> tuple[Passage, ...]:
    """The passages of a version as they were indexed, in order of position."""
    return tuple(
        Passage(
            id=passage_id(str(document.pk), version.version, row.position),
            document_id=str(document.pk),
            version=version.version,
            position=row.position,
            collection=document.collection.name,
            title=version.passage_title,
            headings=tuple(row.headings),
            text=version.text[row.start : row.end],
            span=(row.start, row.end),
            page=row.page,
            tokens=row.tokens,
        )
        for row in version.passages.order_by("position")
    )


def indexed_documents() -> dict[tuple[str, int], int]:
    """(document id, current version) to its number of passages: what the index must hold."""
    rows = DocumentVersion.objects.filter(version=F("document__version")).annotate(n=Count("passages"))
    return {(str(pk), version): n for pk, version, n in rows.values_list("document_id", "version", "n")}


def exported(stored: StoredTrace) -> dict[str, Any]:
    """A trace with everything needed to read it elsewhere: `body`, and `texts` by hash."""
    record, trace, body = stored.record, stored.trace, stored.body
    return {
        "id": str(record.pk),
        "created": record.created.isoformat(),
        "rerank": asdict(trace.rerank),
        "degraded": list(trace.degraded),
        "partial_index": trace.partial_index,
        "index_mode": modes.mode(trace) or "none",
        "total_ms": trace.total_ms,
        "body": body,
        "texts": _kept_texts(body),
    }


def current_versions() -> Iterator[tuple[Document, DocumentVersion]]:
    """Every searchable document with its current version, in order of document, one at a time."""
    versions = DocumentVersion.objects.filter(version=F("document__version"))
    ordered = versions.select_related("document__collection").order_by("document_id")
    for version in ordered.iterator(chunk_size=50):
        yield version.document, version
