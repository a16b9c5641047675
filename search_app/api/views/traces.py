"""Traces of one's own, and what one says of the answers."""

import uuid
from collections.abc import Sequence

from django.http import Http404
from drf_spectacular.utils import OpenApiExample
from rest_framework.request import Request
from rest_framework.response import Response

from search_app import access, feedback, selectors
from search_app.access import Viewer
from search_app.api.base import Api
from search_app.api.bodies import FeedbackRequest
from search_app.api.schema import CURSOR, LIMIT, operation
from search_app.api.serializers import FeedbackOut, TraceLine, TraceOut, TracePage
from search_app.models import Document, TraceRecord

SAID = {"trace": "0b0f6ff2-6a3e-4a7b-9d55-0f1a2f0f8f10", "liked": False, "reason": "It quotes the old price."}


class TracesView(Api):
    scopes = {"GET": "read"}
    for_somebody = frozenset({"GET"})

    @operation(
        "list_traces",
        "List your traces",
        tag="Traces",
        description="Newest first, of what you asked yourself. Those with passages that you may not read any "
        "more are left out, so a page may be short; go on while `next` is there.",
        answers={200: TracePage},
        parameters=[CURSOR, LIMIT],
        also=("not_authenticated",),
    )
    def get(self, request: Request) -> Response:
        viewer = self.viewer
        rows = TraceRecord.objects.select_related("pipeline").defer("body")
        if viewer.user_id is not None:
            rows = rows.filter(user_id=viewer.user_id)
        else:
            rows = rows.filter(user=None, asker=viewer.asker)
        return self.page(rows, ("-created", "-pk"), TraceLine, lambda page: _readable(viewer, page))


def _readable(viewer: Viewer, records: Sequence[TraceRecord]) -> list[TraceRecord]:
    """Those of which no existing document may not be read; two queries for all."""
    ids = {int(d) for record in records for d in record.documents if d.isdecimal()}
    rows = Document.objects.filter(pk__in=ids).exclude(collection__in=access.readable(viewer))
    closed = {str(pk) for pk in rows.values_list("pk", flat=True)}
    return [record for record in records if closed.isdisjoint(record.documents)]


class TraceView(Api):
    scopes = {"GET": "read"}

    @operation(
        "get_trace",
        "Show a trace",
        tag="Traces",
        description="All that happened to a question, for who asked it and may read all its passages.",
        answers={200: TraceOut},
    )
    def get(self, request: Request, trace_id: uuid.UUID) -> Response:
        found = selectors.trace(self.viewer, trace_id)
        if found is None:
            raise Http404
        return Response(selectors.exported(found))


class FeedbackView(Api):
    scopes = {"POST": "search"}
    for_somebody = frozenset({"POST"})

    @operation(
        "give_feedback",
        "Say whether an answer helped",
        tag="Traces",
        description="One word each: it replaces what you said of this answer before.",
        request=FeedbackRequest,
        answers={200: FeedbackOut},
        also=("not_authenticated",),
        examples=[OpenApiExample("It did not help", SAID, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        asked = self.body(FeedbackRequest)
        found = selectors.answer(self.viewer, uuid.UUID(asked["trace"]))
        if found is None:
            raise Http404
        said = feedback.give(self.viewer, found.record, asked["liked"], asked["reason"])
        return Response(FeedbackOut(said).data)
