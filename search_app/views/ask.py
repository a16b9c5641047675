"""Asking: the page, the stream of an answer, and the answer as it is kept."""

import logging
import uuid
from collections.abc import Generator
from contextlib import closing
from typing import Any

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from rag.errors import SieveError, Unavailable
from rag.trace import Delta, Packed
from search_app import selectors, sse
from search_app.access import viewer_of
from search_app.asking import Recording
from search_app.asking import ask as begin
from search_app.pages.answer import answer_context

log = logging.getLogger(__name__)

BROKEN = "Something broke inside Sieve while it was answering. The log of the server says what."
ANSWER, PASSAGES = "search/_answer.html", "search/_passages.html"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The page that asks. A browser with scripts streams the answer into it; `wait=1` does without."""
    question = request.GET.get("q", "").strip()
    if question and request.GET.get("wait"):
        viewer = viewer_of(request, remember=True)
        try:
            recording = begin(question, viewer=viewer, collections=request.GET.getlist("collection"))
            recording.finish()
        except SieveError as error:
            return render(
                request,
                "search/ask.html",
                _ask_context(request) | {"failed": str(error)},
                status=503 if isinstance(error, Unavailable) else 400,
            )
        return redirect("answer", recording.trace_id)
    return render(request, "search/ask.html", _ask_context(request))


def _ask_context(request: HttpRequest) -> dict[str, Any]:
    collections = list(selectors.collections(viewer_of(request)))
    return {
        "collections": collections,
        "question": request.GET.get("q", "").strip(),
        "selected": request.GET.getlist("collection"),
        "first_run": not any(collection.searchable for collection in collections),
    }


@require_safe
def stream(request: HttpRequest) -> HttpResponseBase:
    """Server-sent events of one question: `passages`, `delta`s, then `done`, or `failed`.

    When the reader leaves, the pipeline stops after the stage it is in and the trace so far is kept.
    """
    viewer = viewer_of(request, remember=True)
    question, names = request.GET.get("q", ""), request.GET.getlist("collection")
    try:
        frames = _frames(begin(question, viewer=viewer, collections=names))
    except SieveError as error:
        frames = iter([sse.json_event("failed", {"message": str(error)})])
    response = StreamingHttpResponse(frames, content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy in front must not hold the pieces back
    return response


def _frames(recording: Recording) -> Generator[str, None, None]:
    try:
        with closing(recording.events()) as events:
            for event in events:
                if isinstance(event, Packed):
                    context = answer_context(recording.trace, recording.trace_id)
                    yield sse.event("passages", render_to_string(PASSAGES, context))
                elif isinstance(event, Delta):
                    yield sse.json_event("delta", {"text": event.text})
        context = answer_context(recording.trace, recording.trace_id)
        yield sse.event("done", render_to_string(ANSWER, context))
    except SieveError as error:
        yield sse.json_event("failed", {"message": str(error)})
    except Exception:  # the headers are out: this is the only way left to tell the reader
        log.exception("question %s broke", recording.trace_id)
        yield sse.json_event("failed", {"message": BROKEN})


@require_safe
def answer(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """A stored answer, for who may read its trace."""
    found = selectors.answer(viewer_of(request), trace_id)
    if found is None:
        raise Http404
    context = _ask_context(request) | answer_context(found.trace, found.record.pk)
    return render(request, "search/ask.html", context | {"selected": found.trace.query.collections})
