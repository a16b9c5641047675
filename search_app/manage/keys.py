"""API keys: made, shown once, revoked. Everybody for oneself; staff see all, superusers make them for all."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from rag.errors import SieveError
from search_app import keys
from search_app.access import readable, viewer_of
from search_app.manage.people import suggested
from search_app.manage.staff import signed_in_only, staff_only
from search_app.models import ApiKey, Collection

A_PAGE = 50
DAYS = 90
"""A key lasts so long unless another day is chosen."""


READING = {ApiKey.Scope.SEARCH.value, ApiKey.Scope.READ.value}


class KeyForm(forms.Form):
    """What a new key may do, where and how long. `user` is there for superusers only."""

    name = forms.CharField(
        max_length=100, label="What it is for", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=ApiKey.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "A key needs at least one scope: mark what it may do."},
    )
    collections = forms.ModelMultipleChoiceField(
        Collection.objects.none(),
        required=False,
        label="Only in these collections",
        widget=forms.CheckboxSelectMultiple,
        help_text="None marked: in all that its user may read.",
    )
    expires = forms.DateField(
        required=False,
        label="Last day",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty: it never expires.",
    )
    user = forms.CharField(
        required=False,
        label="For the user",
        widget=forms.TextInput(attrs={"list": "people", "autocomplete": "off", "autocapitalize": "none"}),
        help_text="The key has this user's rights. Empty: yours.",
    )

    def __init__(self, data: Any, *, request: HttpRequest, for_others: bool) -> None:
        last = (timezone.localdate() + timedelta(days=DAYS)).isoformat()
        super().__init__(data, initial={"scopes": [ApiKey.Scope.SEARCH], "expires": last})
        self.owner = request.user
        self.fields["collections"].queryset = readable(viewer_of(request)).order_by("name")
        if not request.user.is_staff:  # only staff bring documents in and read the metrics
            self.fields["scopes"].choices = [c for c in ApiKey.Scope.choices if c[0] in READING]
        if not for_others:
            del self.fields["user"]

    def clean_user(self) -> str:
        name = self.cleaned_data["user"].strip()
        if name:
            owner = get_user_model().objects.filter(username=name, is_active=True).first()
            if owner is None:
                raise ValidationError(f"There is no active user {name}.")
            self.owner = owner
        return name

    def clean_expires(self) -> datetime | None:
        """The end of that day."""
        day = self.cleaned_data["expires"]
        if day is None:
            return None
        if day < timezone.localdate():
            raise ValidationError("That day is over. Choose today or a later one.")
        return timezone.make_aware(datetime.combine(day, time(23, 59, 59)))

    def save(self) -> tuple[ApiKey, str]:
        """The key and its text. Raises `SieveError` when the key cannot be made."""
        values = self.cleaned_data
        return keys.make(
            self.owner, values["name"], values["scopes"], values["collections"], values["expires"]
        )


@staff_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def all_keys(request: HttpRequest) -> HttpResponse:
    """All keys, and a form for a new one."""
    rows = ApiKey.objects.all()
    return _page(request, rows, "manage/keys.html", for_others=request.user.is_superuser)


@staff_only
@require_POST
def revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    """End a key at once."""
    return _revoke(request, ApiKey.objects.filter(pk=key_id), "manage-keys")


@signed_in_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def own_keys(request: HttpRequest) -> HttpResponse:
    """One's own keys, for whoever is signed in."""
    return _page(request, ApiKey.objects.filter(user=request.user), "manage/own_keys.html", for_others=False)


@signed_in_only
@require_POST
def revoke_own(request: HttpRequest, key_id: int) -> HttpResponse:
    """End one's own key. Keys of others do not exist here."""
    return _revoke(request, ApiKey.objects.filter(pk=key_id, user=request.user), "own-keys")


@sensitive_variables("text")
def _page(request: HttpRequest, rows: QuerySet[ApiKey], template: str, *, for_others: bool) -> HttpResponse:
    form = KeyForm(request.POST if request.method == "POST" else None, request=request, for_others=for_others)
    made, text, error = None, "", ""
    if request.method == "POST" and form.is_valid():
        try:
            made, text = form.save()
        except SieveError as problem:
            error = str(problem)
        else:
            form = KeyForm(None, request=request, for_others=for_others)
    named = Prefetch("collections", readable(viewer_of(request)))  # others are not told by name
    listed = rows.select_related("user").prefetch_related(named).order_by("-created")
    context = {
        "form": form,
        "made": made,
        "text": text,
        "error": error,
        "page": Paginator(listed, A_PAGE).get_page(request.GET.get("page")),
        "now": timezone.now(),
        "people": suggested() if for_others else [],
    }
    bad = bool(form.errors or error)
    return render(request, template, context, status=400 if bad else 201 if made else 200)


def _revoke(request: HttpRequest, rows: QuerySet[ApiKey], page: str) -> HttpResponse:
    key = rows.first()
    if key is None:
        raise Http404
    keys.revoke(key)
    messages.success(request, f"{key.name} is revoked: it opens nothing any more.")
    return redirect(page)
