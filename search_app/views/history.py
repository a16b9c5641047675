"""What one has asked: listed by day, searched, opened, exported, deleted."""

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from search_app import access, conversations
from search_app.access import Viewer, viewer_of
from search_app.conversations import Turn
from search_app.models import Conversation
from search_app.pages.turns import NOTES, as_json, as_markdown, whole
from search_app.views.contexts import by_title

A_PAGE = 40
FORMS = {
    "md": ("text/markdown", as_markdown),
    "json": ("application/json", as_json),
}


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The conversations of this person or browser, newest first."""
    viewer = viewer_of(request)
    words = request.GET.get("q", "").strip()[:200]
    page = Paginator(conversations.listed(viewer, words), A_PAGE).get_page(request.GET.get("page"))
    rows = list(page.object_list)
    barred = conversations.barred(viewer, rows)
    today = timezone.localdate()
    entries = [
        {
            "row": row,
            "note": NOTES[barred[row.pk]] if row.pk in barred else "",
            "day": _day(timezone.localdate(row.asked), today),
        }
        for row in rows
    ]
    return render(
        request,
        "history/list.html",
        {"entries": entries, "page": page, "words": words, "total": page.paginator.count},
    )


def _day(day: date, today: date) -> str:
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return f"{day:%A}, {day.day} {day:%B}" + (f" {day.year}" if day.year != today.year else "")


def _own(request: HttpRequest, conversation_id: uuid.UUID) -> tuple[Viewer, Conversation]:
    viewer = viewer_of(request)
    found = conversations.find(viewer, conversation_id)
    if found is None:
        raise Http404
    return viewer, found


@require_safe
def conversation(request: HttpRequest, conversation_id: uuid.UUID) -> HttpResponse:
    """All turns of a conversation, and the form that goes on with it."""
    viewer, found = _own(request, conversation_id)
    context: dict[str, Any] = {
        "conversation": found,
        "turns": whole(conversations.turns(viewer, found)),
        "collections": by_title(viewer),
        "selected": (),
        "owner": access.owns(viewer, found),
    }
    return render(request, "history/conversation.html", context)


@require_POST
def delete(request: HttpRequest, conversation_id: uuid.UUID) -> HttpResponse:
    """Delete one conversation with its answers and traces."""
    _, found = _own(request, conversation_id)
    conversations.delete([found])
    return redirect("history")


@require_POST
def clear(request: HttpRequest) -> HttpResponse:
    """Delete all conversations of this person or browser."""
    conversations.delete(conversations.of_viewer(viewer_of(request)))
    return redirect("history")


@require_safe
def export(request: HttpRequest, form: str, conversation_id: uuid.UUID | None = None) -> HttpResponseBase:
    """One conversation, or all, as Markdown or JSON: with what may be read of it now."""
    viewer = viewer_of(request)
    kind, write = FORMS[form]
    name = "sieve-history"
    if conversation_id is None:
        chosen = list(conversations.listed(viewer))
    else:
        viewer, found = _own(request, conversation_id)
        chosen, name = [found], f"sieve-{found.created:%Y-%m-%d}"

    def pairs() -> Iterator[tuple[Conversation, list[Turn]]]:
        for one in chosen:
            yield one, conversations.turns(viewer, one)

    response = StreamingHttpResponse(write(pairs()), content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
