"""Who may read what. Everything that shows a document, a passage or a trace asks here."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from rag.pipeline import Permit
from rag.types import Passage
from search_app.models import Collection, Conversation, Document, TraceRecord

ASKER = "asker"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who reads. `asker` is the random name of a browser, which owns what it asked."""

    user_id: int | None = None
    is_staff: bool = False
    asker: str = ""
    only: tuple[str, ...] | None = None
    """Names of the collections that an API key is limited to; None: no limit beyond the user's own."""
    behind: int | None = None
    """Whoever asks with this viewer's rights to see what they find: the trace belongs to that user."""

    @property
    def who(self) -> str:
        """One word for one person or browser; empty for nobody in particular."""
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return f"browser:{self.asker}" if self.asker else ""


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
    rows = Collection.objects.all()
    if viewer.only is not None:
        rows = rows.filter(name__in=viewer.only)
    if viewer.is_staff:
        return rows
    allowed = Q(public=True)
    if viewer.user_id is not None:
        # Subqueries, not joins: a collection appears once, by however many ways it may be read.
        by_name = Collection.readers.through.objects.filter(user_id=viewer.user_id)
        groups = get_user_model().groups.through.objects.filter(user_id=viewer.user_id)
        by_group = Collection.groups.through.objects.filter(group_id__in=groups.values("group_id"))
        allowed |= Q(pk__in=by_name.values("collection_id")) | Q(pk__in=by_group.values("collection_id"))
    return rows.filter(allowed)


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


def owns(viewer: Viewer, record: TraceRecord | Conversation) -> bool:
    """Whether this person, or this browser when nobody was signed in, asked it."""
    if record.user_id is not None:
        return record.user_id == viewer.user_id
    return bool(viewer.asker) and record.asker == viewer.asker


def may_read_trace(viewer: Viewer, record: TraceRecord) -> bool:
    """Who asked, who has the link of a shared one, and staff, as long as they may read all its passages."""
    return _may_open(viewer, record) and _all_readable(viewer, record.documents)


def may_read_answer(viewer: Viewer, record: TraceRecord) -> bool:
    """The same people, as long as they may read the passages that the answer saw.

    A question that was broken off before saw none: its page shows what was found until then.
    """
    return _may_open(viewer, record) and _all_readable(viewer, record.used or record.documents)


def _may_open(viewer: Viewer, record: TraceRecord) -> bool:
    return viewer.is_staff or record.shared or owns(viewer, record)


def _all_readable(viewer: Viewer, document_ids: Iterable[str]) -> bool:
    """Whether no document is among these that exists and may not be read.

    What is deleted is nobody's: its texts and titles are gone, and only ids and ranks are left.
    """
    ids = {int(d) for d in document_ids if d.isdecimal()}
    existing = Document.objects.filter(pk__in=ids)
    return not existing.exclude(collection__in=readable(viewer)).exists()
