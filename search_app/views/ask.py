"""Asking: the page, and the stream of an answer."""

import logging
from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from rag.errors import SieveError, Unavailable
from rag.events import Event, Generated, Packed, Ranked
from search_app import conversations, sse, suggestions
from search_app.access import Viewer, viewer_of
from search_app.asking import RETRY_S, Recording
from search_app.asking import ask as begin
from search_app.pages.answer import answer_context
from search_app.pages.live import SoFar
from search_app.views.contexts import actions_context, ask_context

log = logging.getLogger(__name__)

BROKEN = "Something broke inside Sieve while it was answering. The log of the server says what."
T = TypeVar("T", bound=HttpResponseBase)
ANSWER, PASSAGES = "search/_answer.html", "search/_passages.html"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The page that asks. A browser with scripts streams the answer into it; `wait=1` does without."""
    question = request.GET.get("q", "").strip()
    if question and request.GET.get("wait"):
        try:
            recording = _begin(request, viewer_of(request, remember=True))
            recording.finish()
        except SieveError as error:
            context = ask_context(request) | {
                "failed": str(error),
                "away": isinstance(error, Unavailable),
            }
            return _marked(render(request, "search/ask.html", context, status=400), error)
        return redirect("answer", recording.trace_id)
    return render(request, "search/ask.html", ask_context(request))


def _marked(response: T, error: SieveError) -> T:
    """Say to programs, too, that it may go well a little later."""
    if isinstance(error, Unavailable):
        response.status_code = 503
        response.headers["Retry-After"] = str(RETRY_S)
    return response


def _begin(request: HttpRequest, viewer: Viewer) -> Recording:
    question = request.GET.get("q", "")
    own = conversations.find(viewer, request.GET.get("conversation"))
    return begin(
        question,
        viewer=viewer,
        collections=request.GET.getlist("collection"),
        conversation=own or conversations.new(viewer, question),
        history=conversations.questions(viewer, own) if own else (),
    )


@require_safe
def stream(request: HttpRequest) -> HttpResponseBase:
    """Server-sent events of one question: `found`, `passages`, `answer`s, then `done`, or `failed`.

    When the reader leaves, the pipeline stops after the stage it is in and the trace so far is kept. Where
    nothing can be searched it is a 503 with the sentence; the script then shows the page that says so.
    """
    viewer = viewer_of(request, remember=True)
    get_token(request)  # the buttons of the finished answer need it, and its cookie goes with the headers
    failed: SieveError | None = None
    try:
        recording = _begin(request, viewer)
        pieces = frames(request, recording, recording.begun())
    except SieveError as error:
        failed = error
        pieces = (frame for frame in [sse.json_event("failed", {"message": str(error)})])
    response = StreamingHttpResponse(pieces, content_type="text/event-stream; charset=utf-8")
    if failed is not None:
        response = _marked(response, failed)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # a proxy in front must not hold the pieces back
    return response


def frames(
    request: HttpRequest, recording: Recording, begun: Generator[Event, None, None] | None = None
) -> Generator[str, None, None]:
    """The events of a question as they are sent. `found` comes before reranking, `passages` after it.

    Each `answer` is all that is said so far, as the finished page will have it.
    """
    said = SoFar(recording)
    try:
        with closing(begun or recording.events()) as events:
            for event in events:
                if isinstance(event, Ranked) and event.ranking.stage == "fused":
                    context = answer_context(recording.trace) | {"provisional": True}
                    yield sse.event("found", render_to_string(PASSAGES, context))
                elif isinstance(event, Packed):
                    yield sse.event("passages", render_to_string(PASSAGES, answer_context(recording.trace)))
                elif so_far := said.after(event):
                    yield sse.event("answer", so_far)
                else:
                    yield sse.comment()
                if isinstance(event, Generated) and recording.trace.spec.get("verify"):
                    yield sse.json_event("checking", {})
        if recording.left:
            return
        context = answer_context(recording.trace, recording.trace_id)
        if recording.record is not None:
            context |= actions_context(request, recording.viewer, recording.record)
        own = context.get("conversation")
        chosen = request.GET.getlist("collection")
        suggestion = suggestions.link(recording.trace, recording.viewer, chosen, own.pk if own else None)
        context |= {"suggestion": suggestion}
        yield sse.event("done", render_to_string(ANSWER, context, request=request))
    except SieveError as error:
        yield sse.json_event("failed", {"message": str(error)})
    except Exception:  # the headers are out: this is the only way left to tell the reader
        log.exception("question %s broke", recording.trace_id)
        yield sse.json_event("failed", {"message": BROKEN})
