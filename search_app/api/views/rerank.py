"""Texts that a program brings along, ranked: in the shape that Cohere's and Jina's clients speak."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample
from rest_framework.request import Request
from rest_framework.response import Response

from search_app import reranking
from search_app.api import reranked, throttling
from search_app.api.base import Api
from search_app.api.rerank_body import RerankRequest, texts_of
from search_app.api.schema import operation
from search_app.api.serializers import RerankResult

TEXTS = {
    "query": "When does the ferry leave?",
    "documents": ["The ferry leaves at nine.", {"text": "The lighthouse was built in 1836."}],
    "top_n": 1,
    "return_documents": True,
}
SHAPE: dict[str, Any] = {
    "tag": "Questions",
    "request": RerankRequest,
    "answers": {200: RerankResult},
    "also": ("not_authenticated",),
    "examples": [OpenApiExample("Two texts", TEXTS, request_only=True)],
}


class RerankView(Api):
    scopes = {"POST": "search"}
    for_users = frozenset({"POST"})

    @property
    def most_bytes(self) -> int:
        return settings.API_MAX_TEXTS_BYTES

    @operation(
        "rerank",
        "Rank texts",
        description="Your own texts, best first, for a query: the API of Cohere (v1) and Jina. `model` is a "
        "pipeline, whose reranker is taken, or a model that a pipeline names. A trace is kept: the query, "
        "the order, the scores, and of each text a hash.",
        **SHAPE,
    )
    def post(self, request: Request) -> Response:
        asked = self.body(RerankRequest)
        texts = texts_of(asked)
        spec = reranking.choose(asked.get("model"))  # what cannot be had costs nothing
        throttling.count_texts(request, len(texts))
        trace_id, trace = reranking.rank(
            asked["query"],
            texts,
            spec,
            viewer=self.viewer,
            budget_ms=min(asked.get("budget_ms") or settings.API_RERANK_MS, settings.API_RERANK_MS),
        )
        return Response(reranked.result(trace, trace_id, asked))


class RerankV2View(RerankView):
    """The same at the address of Cohere's second API."""

    @operation(
        "rerank_v2",
        "Rank texts, as Cohere's v2 API",
        description="The same as `/api/v1/rerank`.",
        **SHAPE,
    )
    def post(self, request: Request) -> Response:
        return super().post(request)
