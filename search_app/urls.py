"""Addresses of the pages."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import path
from django.views.generic import RedirectView

from search_app import views

urlpatterns = [
    path("", views.ask, name="home"),
    path("ask", views.ask, name="ask"),
    path("ask/stream", views.ask_stream, name="ask-stream"),
    path("answers/<uuid:trace_id>", views.answer, name="answer"),
    path("documents/<int:document_id>", views.document, name="document"),
    path("traces/", views.trace_list, name="traces"),
    path("traces/<uuid:trace_id>/", views.trace, name="trace"),
    path("traces/<uuid:trace_id>.json", views.trace_json, name="trace-json"),
    # Browsers ask for it on pages that name no icon, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=static("sieve/icon.svg"))),
    path("healthz", views.healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
