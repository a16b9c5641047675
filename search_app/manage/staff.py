"""Who may use these pages: staff. To everybody else who is signed in they do not exist."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse

View = Callable[..., HttpResponseBase]
SIGNED_OUT = "You are not signed in any more. Sign in again, and send it once more."


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks: those of these pages say so in their `Accept` header."""
    return request.headers.get("Accept", "").startswith("application/json")


def signed_in_only(view: View) -> View:
    """Anonymous visitors are sent to sign in, scripts are answered 401."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if wants_json(request):
            return JsonResponse({"error": SIGNED_OUT}, status=401)
        return redirect_to_login(request.get_full_path())

    return guarded


def staff_only(view: View) -> View:
    """The same, and 404 for whoever is signed in and not staff, as for anything that is not theirs."""

    @signed_in_only
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded
