"""Addresses of the pages."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from search_app.api.views import chat, rerank
from search_app.manage import keys
from search_app.mcp.view import McpView
from search_app.views import account, answers, ask, documents, health, history, traces

urlpatterns = [
    path("", ask.page, name="home"),
    path("ask", ask.page, name="ask"),
    path("ask/stream", ask.stream, name="ask-stream"),
    path("answers/<uuid:trace_id>", answers.answer, name="answer"),
    path("answers/<uuid:trace_id>/share", answers.share, name="answer-share"),
    path("answers/<uuid:trace_id>/feedback", answers.give_feedback, name="answer-feedback"),
    path("documents/<int:document_id>", documents.document, name="document"),
    path("documents/<int:document_id>/file", documents.file, name="document-file"),
    path("history/", history.history, name="history"),
    path("history/delete", history.clear, name="history-clear"),
    path("history/export.md", history.export, {"form": "md"}, name="history-md"),
    path("history/export.json", history.export, {"form": "json"}, name="history-json"),
    path("history/<uuid:conversation_id>", history.conversation, name="conversation"),
    path("history/<uuid:conversation_id>/delete", history.delete, name="conversation-delete"),
    path("history/<uuid:conversation_id>.md", history.export, {"form": "md"}, name="conversation-md"),
    path("history/<uuid:conversation_id>.json", history.export, {"form": "json"}, name="conversation-json"),
    path("sign-in", account.sign_in, name="sign-in"),
    path("sign-out", account.sign_out, name="sign-out"),
    path("account", account.account, name="account"),
    path("account/keys", keys.own_keys, name="own-keys"),
    path("account/keys/<int:key_id>/revoke", keys.revoke_own, name="own-key-revoke"),
    path("traces/", traces.trace_list, name="traces"),
    path("traces/<uuid:trace_id>/", traces.trace, name="trace"),
    path("traces/<uuid:trace_id>/compare", traces.compare, name="trace-compare"),
    path("traces/<uuid:trace_id>/again", traces.again, name="trace-again"),
    path("traces/<uuid:trace_id>.json", traces.trace_json, name="trace-json"),
    # Browsers ask for it on pages that name no icon, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=static("sieve/icon.svg"))),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics_page, name="metrics"),
    path("manage/", include("search_app.manage.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("search_app.api.urls")),
    # Where clients of other services look when they are given the address of the site alone: the API's own
    # views, which the schema has under /api/.
    path("v1/chat/completions", chat.ChatView.as_view(schema=None), name="chat"),
    path("v1/models", chat.ModelsView.as_view(schema=None), name="models"),
    path("v1/models/<str:model>", chat.ModelView.as_view(schema=None), name="model"),
    path("v1/rerank", rerank.RerankView.as_view(schema=None), name="rerank"),
    path("v2/rerank", rerank.RerankV2View.as_view(schema=None), name="rerank-v2"),
    path("mcp", McpView.as_view(schema=None), name="mcp"),
]

handler400 = "search_app.api.problems.bad_request"
handler403 = "search_app.api.problems.permission_denied"
handler404 = "search_app.api.problems.not_found"
handler500 = "search_app.api.problems.server_error"
