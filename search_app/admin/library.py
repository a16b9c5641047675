"""Collections and documents."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from search_app import uploads
from search_app.admin.base import ForStaff, ReadOnly
from search_app.models import Collection, Document
from search_app.readers import readers_of


@admin.register(Collection)
class CollectionAdmin(ForStaff):
    list_display = ("name", "title", "language", "public", "read_by", "documents_in_it")
    list_filter = ("public", "language")
    ordering = ("name",)
    search_fields = ("name", "title")
    filter_horizontal = ("readers", "groups")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        return super().get_queryset(request).annotate(n=Count("documents"))

    def get_readonly_fields(self, request: HttpRequest, obj: Collection | None = None) -> tuple[str, ...]:
        """The index knows a collection by its name and cuts its words by its language."""
        return ("name", "language") if obj else ()

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A collection is deleted on its own page, which asks for its name."""
        row = self.get_object(request, object_id)
        if row is None:
            return super().delete_view(request, object_id, extra_context)
        return redirect("manage-collection-delete", name=row.name)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def view_on_site(self, obj: Collection) -> str:
        return reverse("manage-collection", args=[obj.name])

    @admin.display(description="documents", ordering="n")
    def documents_in_it(self, collection: Collection) -> int:
        return collection.n  # type: ignore[attr-defined]

    @admin.display(description="read by")
    def read_by(self, collection: Collection) -> str:
        return readers_of(collection).words


@admin.register(Document)
class DocumentAdmin(ReadOnly):
    list_display = ("name", "collection", "format", "state", "reason", "version", "size", "updated")
    list_filter = ("state", "format", "collection")
    list_select_related = ("collection",)
    search_fields = ("name", "reason")
    list_per_page = 50
    readonly_fields = ("opened",)
    actions = ("try_again", "index_again")

    @admin.display(description="text")
    def opened(self, document: Document) -> SafeString | str:
        if not document.version:
            return "Nothing of it can be found yet."
        return format_html('<a href="{}">Open</a>', reverse("document", args=[document.pk]))

    @admin.action(description="Try the failed ones again")
    def try_again(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        self.message_user(request, f"Tried again: {uploads.retry(queryset)}.")

    @admin.action(description="Index again")
    def index_again(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        self.message_user(request, f"Indexed again: {uploads.requeue(queryset)}.")

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        uploads.delete([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        uploads.delete(queryset)
