"""Users, groups with their members, and API keys."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import AbstractUser, Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from search_app import keys
from search_app.admin.base import ReadOnly
from search_app.models import ApiKey, Collection

User = get_user_model()
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(PlainUserAdmin):
    """As Django has it; but nobody who is no superuser makes one, or changes one."""

    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fixed
        return (*fixed, "is_staff", "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: AbstractUser | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or request.user.is_superuser or not obj.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: AbstractUser | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or request.user.is_superuser or not obj.is_superuser)


class GroupForm(forms.ModelForm):
    """A group with its members, which Django shows at the users only."""

    members = forms.ModelMultipleChoiceField(
        User.objects.order_by("username"),
        required=False,
        widget=FilteredSelectMultiple("members", is_stacked=False),
        help_text="They read the collections that name this group.",
    )

    class Meta:
        model = Group
        fields = ("name", "permissions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["members"].initial = self.instance.user_set.values_list("pk", flat=True)


@admin.register(Group)
class GroupAdmin(PlainGroupAdmin):
    form = GroupForm
    list_display = ("name", "members_in_it", "collections_read")
    fieldsets = (
        (None, {"fields": ("name", "members")}),
        ("Permissions in these tables", {"fields": ("permissions",), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(n=Count("user"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Who is no superuser gives no permissions away."""
        return () if request.user.is_superuser else ("permissions",)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.instance.user_set.set(form.cleaned_data["members"])

    @admin.display(description="members", ordering="n")
    def members_in_it(self, group: Group) -> int:
        return group.n  # type: ignore[attr-defined]

    @admin.display(description="reads")
    def collections_read(self, group: Group) -> str:
        names = Collection.objects.filter(groups=group, public=False).values_list("name", flat=True)
        return ", ".join(names) or "–"


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """Keys are made on their own page, where they are shown once, and revoked here or there."""

    list_display = (
        "name",
        "prefix",
        "user",
        "scopes",
        "limited",
        "created",
        "last_used",
        "expires",
        "revoked",
    )
    list_filter = ("revoked", "expires")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    exclude = ("digest",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revoked key stays on the list: it says who had it, and until when."""
        return False

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return redirect("manage-keys")

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            keys.revoke(key)
        self.message_user(request, "They open nothing any more.")
