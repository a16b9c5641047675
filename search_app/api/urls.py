"""Addresses of the REST API."""

from django.http import Http404, HttpRequest
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from search_app.api import docs
from search_app.api.views import chat, collections, documents, questions, rerank, traces

ONE = "v1/documents/<int:document_id>"


@csrf_exempt
def nothing(request: HttpRequest) -> None:
    """Every other address below /api/ is an error of the API, not a page."""
    raise Http404


urlpatterns = [
    path("schema/", docs.schema_view, name="api-schema"),
    path("docs/", docs.page, name="api-docs"),
    path("v1/search", questions.SearchView.as_view(), name="api-search"),
    path("v1/answers", questions.AnswersView.as_view(), name="api-answers"),
    path("v1/rerank", rerank.RerankView.as_view(), name="api-rerank"),
    path("v2/rerank", rerank.RerankV2View.as_view(), name="api-rerank-v2"),
    path("v1/chat/completions", chat.ChatView.as_view(), name="api-chat"),
    path("v1/models", chat.ModelsView.as_view(), name="api-models"),
    path("v1/models/<str:model>", chat.ModelView.as_view(), name="api-model"),
    path("v1/collections", collections.CollectionsView.as_view(), name="api-collections"),
    path("v1/collections/<slug:name>", collections.CollectionView.as_view(), name="api-collection"),
    path("v1/documents", documents.DocumentsView.as_view(), name="api-documents"),
    path(ONE, documents.DocumentView.as_view(), name="api-document"),
    path(f"{ONE}/text", documents.DocumentTextView.as_view(), name="api-text"),
    path(f"{ONE}/content", documents.DocumentContentView.as_view(), name="api-content"),
    path(f"{ONE}/retry", documents.DocumentRetryView.as_view(), name="api-retry"),
    path("v1/traces", traces.TracesView.as_view(), name="api-traces"),
    path("v1/traces/<uuid:trace_id>", traces.TraceView.as_view(), name="api-trace"),
    path("v1/feedback", traces.FeedbackView.as_view(), name="api-feedback"),
    re_path(r"", nothing),
]
