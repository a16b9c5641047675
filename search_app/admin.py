"""The admin: collections, documents with their state, pipelines, and traces, which open on their own page."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from search_app import uploads
from search_app.models import Collection, Document, PipelineRecord, TraceRecord

admin.site.site_header = admin.site.site_title = "Sieve"


class ReadOnly(admin.ModelAdmin):
    """Rows that only the application writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin):
    list_display = ("name", "title", "language", "public", "documents_in_it")
    list_filter = ("public", "language")
    search_fields = ("name", "title")
    filter_horizontal = ("readers", "groups")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return super().get_queryset(request).annotate(n=Count("documents"))

    def get_readonly_fields(self, request: HttpRequest, obj: Collection | None = None) -> tuple[str, ...]:
        """The index knows a collection by its name and cuts its words by its language."""
        return ("name", "language") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Collection | None = None) -> bool:
        """A collection goes after its documents, which must leave the index one by one."""
        return super().has_delete_permission(request, obj) and (obj is None or not obj.documents.exists())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.display(description="documents", ordering="n")
    def documents_in_it(self, collection: Collection) -> int:
        return collection.n  # type: ignore[attr-defined]


@admin.register(Document)
class DocumentAdmin(ReadOnly):
    list_display = ("name", "collection", "format", "state", "reason", "version", "size", "updated")
    list_filter = ("state", "format", "collection")
    list_select_related = ("collection",)
    search_fields = ("name", "reason")
    readonly_fields = ("opened",)

    @admin.display(description="text")
    def opened(self, document: Document) -> SafeString | str:
        if not document.version:
            return "Nothing of it can be found yet."
        return format_html('<a href="{}">Open</a>', reverse("document", args=[document.pk]))

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        uploads.delete([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        uploads.delete(queryset)


@admin.register(PipelineRecord)
class PipelineRecordAdmin(ReadOnly):
    list_display = ("name", "fingerprint", "created")
    search_fields = ("name", "fingerprint")


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

    @admin.display(description="ms", ordering="total_ms")
    def ms(self, record: TraceRecord) -> str:
        return f"{record.total_ms:.0f}"
