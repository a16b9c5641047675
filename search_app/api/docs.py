"""The schema, and the page that shows it."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import include, path, reverse
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator

from search_app.api.problems import KINDS, Problem


def schema() -> dict[str, Any]:
    """The whole schema, the same whoever asks."""
    patterns = [path("api/", include("search_app.api.urls"))]
    return SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)


def written() -> str:
    """The schema as it is kept in `docs/openapi.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _only_read(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            allow = {"Allow": "GET, HEAD"}
            return Problem("method_not_allowed", "This can only be read.", headers=allow).response()
        return view(request)

    return csrf_exempt(guarded)


@cache
def _kept() -> bytes:
    return written().encode()


@_only_read
def schema_view(request: HttpRequest) -> HttpResponse:
    """The OpenAPI schema, for everybody."""
    return HttpResponse(_kept(), content_type="application/json")


@_only_read
def page(request: HttpRequest) -> HttpResponse:
    """The schema to be read and tried, with every code of an error. Scripts and styles are files."""
    errors = [{"code": code, "status": kind.status, "title": kind.title} for code, kind in KINDS.items()]
    context = {"schema_url": reverse("api-schema"), "errors": errors, "csrf": get_token(request)}
    return render(request, "api/docs.html", context)
