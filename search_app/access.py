"""Who may read what. Everything that shows a document, a passage or a trace asks here."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from rag.pipeline import Permit
from rag.types import Passage
from search_app.models import Collection, Document, TraceRecord

ASKER = "asker"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who reads. `asker` is the random name of a browser, which owns what it asked."""

    user_id: int | None = None
    is_staff: bool = False
    asker: str = ""


OPERATOR = Viewer(is_staff=True)
"""Whoever may run commands on the machine: reads everything."""


def viewer_of(request: HttpRequest, *, remember: bool = False) -> Viewer:
    """The viewer behind a request. With `remember` a browser without a name is given one."""
    if remember and ASKER not in request.session:
        request.session[ASKER] = uuid.uuid4().hex
    asker = request.session.get(ASKER, "")
    user = request.user
    if not user.is_authenticated:
        return Viewer(asker=asker)
    return Viewer(user_id=user.pk, is_staff=user.is_staff, asker=asker)


def readable(viewer: Viewer) -> QuerySet[Collection]:
    """Collections whose documents this viewer may find, open and see cited."""
    if viewer.is_staff:
        return Collection.objects.all()
    allowed = Q(public=True)
    if viewer.user_id is not None:
        allowed |= Q(
            pk__in=Collection.readers.through.objects.filter(user_id=viewer.user_id).values("collection_id")
        )
    return Collection.objects.filter(allowed)


def permit_for(viewer: Viewer) -> Permit:
    """The check of access at the end of retrieval: one query for all passages that were found.

    A passage may be shown when it is of its document's current version and the document stands in a
    collection that the viewer may read at this moment; what the index believes does not count.
    """

    def permit(passages: Sequence[Passage]) -> frozenset[str]:
        ids = {int(p.document_id) for p in passages if p.document_id.isdecimal()}
        rows = Document.objects.filter(pk__in=ids, version__gt=0, collection__in=readable(viewer))
        current = set(rows.values_list("pk", "version", "collection__name"))
        return frozenset(
            p.id
            for p in passages
            if p.document_id.isdecimal() and (int(p.document_id), p.version, p.collection) in current
        )

    return permit


def may_read_trace(viewer: Viewer, record: TraceRecord) -> bool:
    """Staff, or who asked, as long as all its passages are of documents that exist and may be read."""
    if viewer.is_staff:
        return True
    by_user = viewer.user_id is not None and record.user_id == viewer.user_id
    by_browser = bool(viewer.asker) and record.user_id is None and record.asker == viewer.asker
    return (by_user or by_browser) and _all_readable(viewer, record.body)


def _all_readable(viewer: Viewer, body: Mapping[str, Any]) -> bool:
    documents = {p["document_id"] for p in body["passages"]}
    ids = {int(d) for d in documents if d.isdecimal()}
    return Document.objects.filter(pk__in=ids, collection__in=readable(viewer)).count() == len(documents)
