"""Addresses of the pages."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from search_app.views import ask, documents, health, traces

urlpatterns = [
    path("", ask.page, name="home"),
    path("ask", ask.page, name="ask"),
    path("ask/stream", ask.stream, name="ask-stream"),
    path("answers/<uuid:trace_id>", ask.answer, name="answer"),
    path("documents/<int:document_id>", documents.document, name="document"),
    path("traces/", traces.trace_list, name="traces"),
    path("traces/<uuid:trace_id>/", traces.trace, name="trace"),
    path("traces/<uuid:trace_id>.json", traces.trace_json, name="trace-json"),
    # Browsers ask for it on pages that name no icon, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=static("sieve/icon.svg"))),
    path("healthz", health.healthz, name="healthz"),
    path("manage/", include("search_app.manage.urls")),
    path("admin/", admin.site.urls),
]
