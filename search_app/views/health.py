"""Addresses for machines that watch over the site."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from search_app import health, keys, metrics
from search_app.models import ApiKey

CLOSED = "Sign in as staff, or send the header Authorization: Bearer KEY of a key with the scope metrics.\n"


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Says `ok` when the process runs and its database answers. Loads no model."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether questions can be answered as they should: 200, or 503 and which part is at fault.

    Sentences and details are for staff and keys with the scope `metrics`; others read names.
    """
    parts = health.report()
    ready = health.ready(parts)
    told = may_watch(request)
    body = {"ready": ready, "parts": [_told(part) if told else _named(part) for part in parts]}
    return JsonResponse(body, status=200 if ready else 503)


@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Numbers in Prometheus' text format, for staff, keys with the scope `metrics`, or everybody if set."""
    if not (settings.METRICS_OPEN or may_watch(request)):
        response = HttpResponse(CLOSED, status=401, content_type="text/plain; charset=utf-8")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return HttpResponse(metrics.text(health.report()), content_type=CONTENT_TYPE_LATEST)


def may_watch(request: HttpRequest) -> bool:
    """Staff, or who sends a good key with the scope `metrics`."""
    if text := keys.from_header(request.headers.get("Authorization", "")):
        key = keys.verify(text)
        return key is not None and ApiKey.Scope.METRICS in key.scopes
    return request.user.is_active and request.user.is_staff


def _named(part: health.Part) -> dict[str, Any]:
    return {"name": part.name, "ok": part.ok, "required": part.name in health.REQUIRED}


def _told(part: health.Part) -> dict[str, Any]:
    return _named(part) | {"sentence": part.sentence, "details": part.details}
