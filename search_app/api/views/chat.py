"""Questions from clients of OpenAI's API, with the pipelines as its models."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from rag.events import Delta, Event
from rag.types import NO_FILTERS
from search_app import asking, sse
from search_app.api import problems
from search_app.api.answer_shapes import Sent
from search_app.api.base import Api
from search_app.api.chat import errors, listing
from search_app.api.chat.body import DEFAULT, ChatRequest, conversation_of, warnings_of
from search_app.api.chat.completion import Completion, data, text_of
from search_app.api.chat.shapes import ChatResult, ModelList, ModelOut
from search_app.api.schema import operation
from search_app.api.views.questions import EVENTS, EventStream

CHAT = {
    "model": DEFAULT,
    "messages": [{"role": "user", "content": "When does the ferry leave?"}],
    "sieve": {"collections": ["handbook"]},
}


class _OpenAI(Api):
    def get_exception_handler(self) -> Callable[..., Any]:
        return errors.handle


class ChatView(_OpenAI):
    scopes = {"POST": "search"}
    for_users = frozenset({"POST"})
    renderer_classes = (JSONRenderer, EventStream)

    @property
    def most_bytes(self) -> int:
        return settings.API_MAX_TEXTS_BYTES

    @operation(
        "chat",
        "Answer a chat",
        tag="Questions",
        description="OpenAI's API for chats. The last message of a user is the question, those before it "
        "its history. Instructions of the system are not followed. `sieve` of the message holds "
        "citations, passages and all else. With `stream`, chunks as server-sent events; `sieve` then stands "
        "in the last delta.",
        request=ChatRequest,
        answers={
            (200, "application/json"): ChatResult,
            (200, EVENTS): OpenApiResponse(Sent, description="Chunks of the result."),
        },
        also=("not_authenticated", "nothing_to_search"),
        examples=[OpenApiExample("A chat", CHAT, request_only=True)],
        documented=errors.documented,
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = self.body(ChatRequest)
        model = asked.get("model") or DEFAULT
        question, history = conversation_of(asked)
        own = asked.get("sieve") or {}
        given = own.get("filters", {})
        recording = asking.ask(
            question,
            viewer=self.viewer,
            collections=own.get("collections", ()),
            pipeline=listing.known(model),
            history=history,
            filters=given.get("filters", NO_FILTERS),
            formats=given.get("formats", ()),
        )
        completion = Completion(
            trace_id=recording.trace_id,
            model=model,
            absolute=request.build_absolute_uri,
            warnings=warnings_of(asked),
            with_usage=bool((asked.get("stream_options") or {}).get("include_usage")),
        )
        if asked.get("stream") or request.accepted_renderer.media_type == EVENTS:
            return _streamed(recording, completion)
        return Response(completion.whole(recording.finish()))


def _streamed(recording: asking.Recording, completion: Completion) -> StreamingHttpResponse:
    """The first event is awaited: an index that is away is a 503 here, too."""
    frames = _frames(recording, completion, recording.begun())
    response = StreamingHttpResponse(frames, content_type=EVENTS)
    response.headers["X-Accel-Buffering"] = "no"  # a proxy in front must not hold the pieces back
    return response


def _frames(
    recording: asking.Recording, completion: Completion, begun: Generator[Event, None, None]
) -> Generator[str, None, None]:
    """When the reader leaves, the pipeline stops and the trace so far is kept."""
    try:
        with closing(begun) as events:
            if not recording.passed:
                return
            yield completion.chunk(recording.trace, {"role": "assistant", "content": "", "refusal": None})
            for event in events:
                if isinstance(event, Delta):
                    yield completion.chunk(recording.trace, {"content": event.text})
                else:
                    yield sse.comment()
        trace = recording.trace
        if trace.answer is None:
            yield completion.chunk(trace, {"content": text_of(trace)})
        yield completion.last(trace)
    except Exception as error:  # the headers are out: this is the only way left to tell the reader
        yield data(errors.as_dict(problems.told(error, {"view": recording})))


class ModelsView(_OpenAI):
    scopes = {"GET": "search"}
    for_users = frozenset({"GET"})

    @operation(
        "list_models",
        "List pipelines as models",
        tag="Questions",
        description=f"As OpenAI's API lists models; `{DEFAULT}` is the site's own pipeline.",
        answers={200: ModelList},
        also=("not_authenticated",),
        documented=errors.documented,
    )
    def get(self, request: Request) -> Response:
        return Response({"object": "list", "data": [listing.shown(name) for name in listing.names()]})


class ModelView(_OpenAI):
    scopes = {"GET": "search"}
    for_users = frozenset({"GET"})

    @operation(
        "get_model",
        "Show a pipeline as a model",
        tag="Questions",
        answers={200: ModelOut},
        also=("not_authenticated",),
        documented=errors.documented,
    )
    def get(self, request: Request, model: str) -> Response:
        return Response(listing.shown(model))
