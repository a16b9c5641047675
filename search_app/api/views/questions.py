"""Search without an answer, and answers: whole, or as they are written."""

import logging
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from rag.events import Delta, Event, Packed
from rag.types import NO_FILTERS
from search_app import asking, pipelines, sse, suggestions
from search_app.api import problems, results
from search_app.api.answer_shapes import AnswerResult, Sent
from search_app.api.base import Api
from search_app.api.bodies import AnswerRequest, SearchRequest
from search_app.api.problems import Problem
from search_app.api.schema import operation
from search_app.api.serializers import SearchResult

log = logging.getLogger(__name__)

EVENTS = "text/event-stream"
QUESTION = {"question": "When does the ferry leave?", "collections": ["handbook"]}


class _Asking(Api):
    scopes = {"POST": "search"}

    def begin(self, asked: Mapping[str, Any], *, generate: bool) -> asking.Recording:
        name = asked.get("pipeline")
        if name is not None and name not in pipelines.names():
            raise Problem("not_found", f"There is no pipeline {name}.")
        given = asked.get("filters", {})
        return asking.ask(
            asked["question"],
            viewer=self.viewer,
            collections=asked.get("collections", ()),
            pipeline=name,
            generate=generate,
            history=asked.get("history", ()),
            filters=given.get("filters", NO_FILTERS),
            formats=given.get("formats", ()),
        )


class SearchView(_Asking):
    @operation(
        "search",
        "Search passages",
        tag="Questions",
        description="Finds passages and ranks them; no answer is written. Each passage says its rank and raw "
        "score after every stage, and `rerank` and `degraded` say what did not go as planned. A trace is "
        "kept.",
        request=SearchRequest,
        answers={200: SearchResult},
        also=("nothing_to_search",),
        examples=[OpenApiExample("A search", QUESTION | {"top": 5}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        asked = self.body(SearchRequest)
        recording = self.begin(asked, generate=False)
        trace = recording.finish()
        absolute = request.build_absolute_uri
        found = results.searched(trace, recording.trace_id, asked["top"], absolute)
        return Response(found | _suggested(recording))


class EventStream(BaseRenderer):
    """Lets a client ask for events; the view writes them itself."""

    media_type = EVENTS
    format = "events"
    charset = None

    def render(self, data: Any, *_: Any, **__: Any) -> bytes:
        raise NotImplementedError("events are streamed")


class AnswersView(_Asking):
    renderer_classes = (JSONRenderer, EventStream)

    @operation(
        "answer",
        "Answer a question",
        tag="Questions",
        description="The answer with its citations and the passages it was written from. With `stream`, or "
        "`Accept: text/event-stream`, server-sent events: `passages` (the result without an answer), `delta` "
        "(`{text}`) for each piece, then `done` (the whole result), or `failed` (an error).",
        request=AnswerRequest,
        answers={
            (200, "application/json"): AnswerResult,
            (200, EVENTS): OpenApiResponse(Sent, description="The result, or its events."),
        },
        also=("nothing_to_search",),
        examples=[OpenApiExample("A question", QUESTION, request_only=True)],
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = self.body(AnswerRequest)
        recording = self.begin(asked, generate=True)
        absolute = request.build_absolute_uri
        if asked["stream"] or request.accepted_renderer.media_type == EVENTS:
            return _streamed(recording, absolute)
        answered = results.answered(recording.finish(), recording.trace_id, absolute)
        return Response(answered | _suggested(recording))


def _suggested(recording: asking.Recording) -> dict[str, Any]:
    return {"suggestion": suggestions.as_value(suggestions.of(recording.trace, recording.viewer))}


def _streamed(recording: asking.Recording, absolute: results.Absolute) -> StreamingHttpResponse:
    """The first event is awaited: an index that is away is a 503 here, too."""
    response = StreamingHttpResponse(_frames(recording, absolute, recording.begun()), content_type=EVENTS)
    response.headers["X-Accel-Buffering"] = "no"  # a proxy in front must not hold the pieces back
    return response


def _frames(
    recording: asking.Recording,
    absolute: results.Absolute,
    begun: Generator[Event, None, None] | None = None,
) -> Generator[str, None, None]:
    """When the reader leaves, the pipeline stops after its stage and the trace so far is kept."""
    try:
        with closing(begun or recording.events()) as events:
            for event in events:
                if isinstance(event, Packed):
                    so_far = results.answered(recording.trace, recording.trace_id, absolute)
                    yield sse.json_event("passages", so_far)
                elif isinstance(event, Delta) and event.text:
                    yield sse.json_event("delta", {"text": event.text})
                else:
                    yield sse.comment()
        if recording.left:
            return
        whole = results.answered(recording.trace, recording.trace_id, absolute)
        yield sse.json_event("done", whole | _suggested(recording))
    except Exception as error:  # the headers are out: this is the only way left to tell the reader
        problem = problems.of(error)
        if problem is None:
            log.exception("question %s broke", recording.trace_id)
            problem = Problem("broken", problems.BROKEN)
        yield sse.json_event("failed", problem.as_dict())
