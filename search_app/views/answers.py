"""A kept answer: to be read, shared, and said yes or no to."""

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from rag.errors import SieveError
from search_app import access, feedback, selectors, suggestions
from search_app.access import Viewer, viewer_of
from search_app.models import TraceRecord
from search_app.pages.answer import answer_context
from search_app.views.contexts import actions_context, ask_context

ACTIONS = "search/_actions.html"


@require_safe
def answer(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """A stored answer, for who may read it; above it, for who asked, what was asked before."""
    viewer = viewer_of(request)
    found = selectors.answer(viewer, trace_id)
    if found is None:
        raise Http404
    record = found.record
    actions = actions_context(request, viewer, record)
    context = ask_context(request, record, actions["conversation"])
    context |= answer_context(found.trace, record.pk) | actions
    context |= {"selected": _asked_of(found.trace.query.collections, context["collections"])}
    context |= {"gone": found.gone, "asked": record.created}
    if not access.may_read_trace(viewer, record):
        context["trace_url"] = ""
    if access.owns(viewer, record):
        own = actions["conversation"]
        suggestion = suggestions.link(found.trace, viewer, context["selected"], own.pk if own else None)
        context |= {"suggestion": suggestion}
    return render(request, "search/ask.html", context)


def _asked_of(names: tuple[str, ...], collections: list[Any]) -> tuple[str, ...]:
    """The collections that were chosen; none when all that may be read were."""
    return () if {c.name for c in collections} <= set(names) else names


def _readable(request: HttpRequest, trace_id: uuid.UUID) -> tuple[Viewer, TraceRecord]:
    viewer = viewer_of(request, remember=True)
    record = TraceRecord.objects.select_related("conversation").filter(pk=trace_id).first()
    if record is None or not access.may_read_answer(viewer, record):
        raise Http404
    return viewer, record


def _acted(request: HttpRequest, viewer: Viewer, record: TraceRecord, **more: Any) -> HttpResponse:
    """The renewed row of buttons for a script, the answer's page for everybody else."""
    if request.headers.get("X-Fragment"):
        return render(request, ACTIONS, actions_context(request, viewer, record) | more)
    return redirect(reverse("answer", args=[record.pk]) + "#actions")


@require_POST
def share(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """Let whoever has the link read the answer, or end that: `on=1`, `on=0`. Who asked, only."""
    viewer, record = _readable(request, trace_id)
    if not access.owns(viewer, record):
        raise Http404
    record.shared = request.POST.get("on") == "1"
    record.save(update_fields=["shared"])
    return _acted(request, viewer, record, just_shared=record.shared)


@require_POST
def give_feedback(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """Thumbs up or down with a reason: `liked=1`, `liked=0`, or empty to take it back."""
    viewer, record = _readable(request, trace_id)
    liked = request.POST.get("liked", "")
    try:
        if liked in ("0", "1"):
            feedback.give(viewer, record, liked == "1", request.POST.get("reason", ""))
        else:
            feedback.take_back(viewer, record)
    except SieveError as error:
        return _acted(request, viewer, record, refused=str(error))
    return _acted(request, viewer, record)
