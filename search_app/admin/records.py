"""What the application writes down: pipelines, traces, conversations, feedback."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from search_app.admin.base import ReadOnly
from search_app.models import Conversation, Feedback, PipelineRecord, PipelineVersion, TraceRecord


class Kept(ReadOnly):
    """Rows that others point at: they stay."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PipelineRecord)
class PipelineRecordAdmin(Kept):
    list_display = ("name", "fingerprint", "created")
    search_fields = ("name", "fingerprint")


@admin.register(PipelineVersion)
class PipelineVersionAdmin(Kept):
    list_display = ("name", "version", "active", "note", "author", "fingerprint", "created")
    list_filter = ("active", "name")
    list_select_related = ("author",)
    search_fields = ("name", "fingerprint", "note")


@admin.register(TraceRecord)
class TraceRecordAdmin(ReadOnly):
    list_display = ("question", "created", "user", "pipeline", "rerank_status", "degraded", "answered", "ms")
    list_filter = ("degraded", "rerank_status", "answered", "pipeline")
    list_select_related = ("user", "pipeline")
    search_fields = ("question",)
    date_hierarchy = "created"

    def get_queryset(self, request: HttpRequest) -> QuerySet[TraceRecord]:
        return super().get_queryset(request).defer("body")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A trace is read on its own page."""
        if self.get_object(request, object_id) is None:
            return super().change_view(request, object_id, *args, **kwargs)
        return redirect("trace", object_id)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Nothing: the log of the admin would keep the question of a trace that is to be gone."""

    @admin.display(description="ms", ordering="total_ms")
    def ms(self, record: TraceRecord) -> str:
        return f"{record.total_ms:.0f}"


@admin.register(Conversation)
class ConversationAdmin(Kept):
    """That they are there, and whose; what was asked stands in the traces."""

    list_display = ("id", "user", "questions", "created", "updated")
    ordering = ("-updated",)
    list_display_links = None
    list_select_related = ("user",)
    date_hierarchy = "created"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).defer("title").annotate(n=Count("traces"))

    @admin.display(ordering="n")
    def questions(self, conversation: Conversation) -> int:
        return conversation.n  # type: ignore[attr-defined]


@admin.register(Feedback)
class FeedbackAdmin(Kept):
    list_display = ("updated", "thumb", "reason", "user", "answer")
    list_display_links = None
    list_filter = ("liked",)
    list_select_related = ("user",)
    search_fields = ("reason",)
    date_hierarchy = "updated"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_view_permission(request)

    @admin.display(description="", ordering="liked")
    def thumb(self, feedback: Feedback) -> str:
        return "up" if feedback.liked else "down"

    @admin.display
    def answer(self, feedback: Feedback) -> SafeString:
        return format_html('<a href="{}">Open the trace</a>', reverse("trace", args=[feedback.trace_id]))
