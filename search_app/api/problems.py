"""Errors of the API in one shape, RFC 9457: {type, title, status, detail, code, errors?}.

A program reads `code`, a person reads `detail`. What broke inside is in the log, never in an answer.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions

from rag.errors import IndexBusy, IndexCorrupt, ModelError, SieveError, Unavailable
from search_app.asking import RETRY_S, NothingToSearch
from search_app.middleware import API
from search_app.reranking import UnknownReranker
from search_app.selectors import UnknownCollection

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PREFIX = "/api/"
OUTAGES = (OperationalError, InterfaceError)
"""Of the database."""


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    title: str


KINDS: dict[str, Kind] = {
    "malformed": Kind(400, "The request cannot be read"),
    "invalid": Kind(400, "The request is wrong"),
    "not_authenticated": Kind(401, "No key and no session"),
    "bad_key": Kind(401, "The key is not good"),
    "not_allowed": Kind(403, "Not allowed"),
    "not_found": Kind(404, "Not found"),
    "method_not_allowed": Kind(405, "Method not allowed"),
    "not_acceptable": Kind(406, "No answer in that form"),
    "conflict": Kind(409, "Not possible now"),
    "nothing_to_search": Kind(409, "Nothing to search yet"),
    "still_running": Kind(409, "Still running"),
    "length_required": Kind(411, "Length required"),
    "too_large": Kind(413, "The request is too large"),
    "unsupported_media_type": Kind(415, "Unsupported media type"),
    "key_reused": Kind(422, "Idempotency key used for another request"),
    "throttled": Kind(429, "Too many requests"),
    "broken": Kind(500, "Something broke"),
    "unavailable": Kind(503, "Unavailable"),
}
"""Every code with its status and title."""

NOT_FOUND = "There is nothing at this address that you may read."
BROKEN = "Something broke inside Sieve. The log of the server says what."
DATABASE_AWAY = "The database cannot be reached. Try again in a moment."
RETRY = {"Retry-After": str(RETRY_S)}


class Problem(Exception):
    """Ends a request with a problem of this code. `errors` says which fields are wrong, and why."""

    def __init__(
        self,
        code: str,
        detail: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors, self.headers = code, detail, errors, headers or {}

    def as_dict(self) -> dict[str, Any]:
        kind = KINDS[self.code]
        body = {
            "type": f"{PREFIX}docs/#{self.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "code": self.code,
        }
        return body | ({"errors": list(self.errors)} if self.errors else {})

    def response(self) -> HttpResponse:
        # Escaped to ASCII: a name that was sent may hold what no encoding can carry.
        content = json.dumps(self.as_dict())
        response = HttpResponse(content, content_type=MEDIA_TYPE, status=KINDS[self.code].status)
        response.headers["Cache-Control"] = "no-store"
        for name, value in self.headers.items():
            response.headers[name] = value
        return response


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """What the framework calls with whatever a view raised."""
    return told(error, context).response()


def told(error: Exception, context: Mapping[str, Any]) -> Problem:
    """What is said of whatever a view raised; what broke is logged."""
    problem = of(error)
    if problem is None:
        log.exception("%s broke", type(context.get("view")).__name__, exc_info=error)
        problem = Problem("broken", BROKEN)
    elif isinstance(error, OUTAGES):
        log.error("A request found the database away", exc_info=error)
    return problem


def of(error: Exception) -> Problem | None:
    """The problem that an error is; None for a bug."""
    match error:
        case Problem():
            return error
        case SieveError():
            return _of_ours(error)
        case exceptions.ValidationError():
            return invalid(error.detail)
        case Http404() | exceptions.NotFound():
            return Problem("not_found", NOT_FOUND)
        case exceptions.AuthenticationFailed():
            return Problem("bad_key", str(error.detail), headers=_challenge("invalid_token"))
        case exceptions.NotAuthenticated():
            return Problem("not_authenticated", str(error.detail), headers=_challenge())
        case PermissionDenied():
            return Problem("not_allowed", "You may not do this.")
        case exceptions.PermissionDenied():
            return Problem("not_allowed", str(error.detail))
        case exceptions.MethodNotAllowed():
            return Problem("method_not_allowed", str(error.detail))
        case exceptions.NotAcceptable():
            return Problem("not_acceptable", "Answers are application/json; ask for that, or for */*.")
        case exceptions.UnsupportedMediaType():
            return Problem("unsupported_media_type", "The body is of a type that is not read here.")
        case exceptions.ParseError():
            return Problem("malformed", str(error.detail))
        case RequestDataTooBig():
            return Problem("too_large", "The request has more data than is read.")
        case SuspiciousOperation() | UnreadablePostError():
            return Problem("malformed", "The request cannot be read.")
        case OperationalError() | InterfaceError():
            return Problem("unavailable", DATABASE_AWAY, headers=RETRY)
    return None


def _of_ours(error: SieveError) -> Problem:
    match error:
        case UnknownCollection() | UnknownReranker():
            return Problem("not_found", str(error))
        case NothingToSearch():
            return Problem("nothing_to_search", str(error))
        case Unavailable() | ModelError() | IndexBusy() | IndexCorrupt():
            return Problem("unavailable", str(error), headers=RETRY)
    return Problem("invalid", str(error))


def _challenge(error: str = "") -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="sieve"' + (f', error="{error}"' if error else "")}


def invalid(detail: Any) -> Problem:
    """The problem of fields that are wrong, from the framework's nested lists."""
    errors = [{"field": field[:200], "detail": text} for field, text in _flat(detail, "")][:20]
    said = "; ".join(f"{e['field']}: {e['detail']}" if e["field"] else e["detail"] for e in errors[:3])
    return Problem("invalid", said or "The request is wrong.", errors)


def _flat(detail: Any, field: str) -> list[tuple[str, str]]:
    if isinstance(detail, Mapping):
        pairs = [(f"{field}.{name}".strip("."), value) for name, value in detail.items()]
        return [found for name, value in pairs for found in _flat(value, name)]
    if isinstance(detail, list | tuple):
        return [found for value in detail for found in _flat(value, field)]
    return [(field, str(detail))]


# --- Before and beside the views ---------------------------------------------------------------------------


def _page(
    request: HttpRequest, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> HttpResponse | None:
    if not request.path.startswith(API):
        return None
    from search_app.api import shaped  # it needs the problems

    return shaped.response(request.path, Problem(code, detail, headers=headers))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler400`: a host that is not ours, or a request that cannot be read."""
    said = f"{HTTPStatus.BAD_REQUEST.phrase}: the request cannot be read."
    return _page(request, "malformed", said) or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler403`."""
    page = _page(request, "not_allowed", "You may not do this.")
    return page or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler404`."""
    return _page(request, "not_found", NOT_FOUND) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """`handler500`: a bug, or a database that is away, which passes."""
    if not isinstance(sys.exception(), OUTAGES):
        return _page(request, "broken", BROKEN) or defaults.server_error(request)
    if answer := _page(request, "unavailable", DATABASE_AWAY, RETRY):
        return answer
    page = render_to_string("503.html", {"sentence": DATABASE_AWAY})  # no request: it would ask for the user
    return HttpResponse(page, status=503, headers=RETRY)
