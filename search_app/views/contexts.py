"""What several pages show: the form that asks, and what may be done with an answer."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from search_app import access, conversations, feedback, selectors
from search_app.access import Viewer, viewer_of
from search_app.models import Collection, Conversation, TraceRecord
from search_app.pages.turns import brief

RECENT = 5


def by_title(viewer: Viewer) -> list[Collection]:
    """The collections that this viewer may ask, as the form lists them."""
    return sorted(selectors.collections(viewer), key=lambda row: str(row).casefold())


def ask_context(
    request: HttpRequest, record: TraceRecord | None = None, own: Conversation | None = None
) -> dict[str, Any]:
    """What the form and the frame of an answer show: collections, and the turns before this one."""
    viewer = viewer_of(request)
    collections = by_title(viewer)
    question = request.GET.get("q", "").strip()
    if record is None:
        own = conversations.find(viewer, request.GET.get("conversation"))
    context: dict[str, Any] = {
        "collections": collections,
        "question": question,
        "selected": request.GET.getlist("collection"),
        "conversation": own,
        "earlier": brief(conversations.earlier(viewer, own, record)) if own else [],
        "first_run": not any(collection.searchable for collection in collections),
        "documents": sum(collection.searchable for collection in collections),
    }
    if not question and record is None:
        context["recent"] = conversations.listed(viewer)[:RECENT]
    return context


def actions_context(request: HttpRequest, viewer: Viewer, record: TraceRecord) -> dict[str, Any]:
    """What may be done with an answer by this viewer, and what has been done."""
    said = feedback.of(viewer, record)
    return {
        "record": record,
        "owner": access.owns(viewer, record),
        "shared": record.shared,
        "share_link": request.build_absolute_uri(reverse("answer", args=[record.pk])),
        "said_liked": None if said is None else said.liked,
        "said_reason": "" if said is None else said.reason,
        "conversation": record.conversation if access.owns(viewer, record) else None,
    }
