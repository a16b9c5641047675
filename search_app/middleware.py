"""What happens around every request: it is counted and timed, its body bounded, its answer closed up."""

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from search_app import logs, metrics
from search_app.events import event

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PROBES = frozenset({"healthz", "readyz", "metrics"})
"""Routes that machines ask every few seconds: logged only when something is wrong."""
API = ("/api/", "/v1/", "/v2/", "/mcp")
"""What programs ask; outside `/api/` stands what clients of other services look for."""
TOO_LARGE = "A request may have at most {limit}. Send less at a time."
SIGN_IN_FIRST = "A request may have at most {limit} before you sign in."

PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
)


def route_of(request: HttpRequest) -> str:
    """The name of the route that took the request; `none` where none did, `unnamed` where it has none."""
    match = request.resolver_match
    if match is None:
        return "none"
    return match.view_name if match.url_name else "unnamed"


class Observed:
    """Counts and times requests by route. Neither addresses nor what they ask is kept."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        number = logs.new_request_id()
        began = time.perf_counter()
        response = self.get_response(request)
        elapsed_s = time.perf_counter() - began
        route, status = route_of(request), response.status_code
        metrics.count_request(route, request.method or "", status, elapsed_s)
        if status >= 400 or route not in PROBES | {"none"}:
            event(
                "request",
                route=route,
                method=request.method if request.method in metrics.METHODS else "other",
                status=status,
                elapsed_ms=elapsed_s * 1000,
                user=_signed_in(request),
            )
        response.headers["X-Request-Id"] = number
        if not response.streaming:  # a stream goes on in this thread, after this
            logs.request_id.set("")
        return response


def _signed_in(request: HttpRequest) -> int | None:
    """The id of the user, where the view has asked for it: no query is made for the log."""
    return getattr(getattr(request, "_cached_user", None), "pk", None)


class Closed:
    """Headers by which a browser runs only what comes from here, and keeps nothing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        headers = response.headers
        headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", PERMISSIONS)
        # Static files have a header of their own. Everything else depends on who asks.
        headers.setdefault("Cache-Control", "private, no-store")
        return response


class BoundedBody:
    """Refuses a request by its declared length, before anything of its body is read or kept.

    Django writes uploaded files to disk while it looks for the CSRF token, that is before a view can ask
    who sent them. A body without a length is read as empty.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        declared = request.META.get("CONTENT_LENGTH") or ""
        length = int(declared) if declared.isascii() and declared.isdecimal() else 0
        if length > settings.ANONYMOUS_REQUEST_BYTES:
            limit, sentence = settings.MAX_REQUEST_BYTES, TOO_LARGE
            if not self._known(request):
                limit, sentence = settings.ANONYMOUS_REQUEST_BYTES, SIGN_IN_FIRST
            if length > limit:
                event("body_refused", bytes=length, limit=limit)
                return _refusal(request, sentence.format(limit=_size(limit)))
        return self.get_response(request)

    @staticmethod
    def _known(request: HttpRequest) -> bool:
        # The API asks for the key before it reads the body, so that a key need not be looked up here.
        with_key = request.path.startswith(API) and "HTTP_AUTHORIZATION" in request.META
        return with_key or request.user.is_authenticated


def _refusal(request: HttpRequest, sentence: str) -> HttpResponse:
    if request.path.startswith(API):
        from search_app.api import problems, shaped  # the pages do not need the API's framework

        return shaped.response(request.path, problems.Problem("too_large", sentence))
    return HttpResponse(f"{sentence}\n", status=413, content_type="text/plain; charset=utf-8")


def _size(number: int) -> str:
    return f"{number // 2**20} MB" if number >= 2**20 else f"{number // 2**10} kB"
