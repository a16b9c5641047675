"""The same request sent again, because its answer was lost, is done once: `Idempotency-Key`."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from search_app import modes
from search_app.api.problems import Problem
from search_app.models import ApiKey, StoredResponse

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
"""How long an answer is remembered."""
GIVEN_UP = timedelta(minutes=10)
"""A request that has no answer after so long died with its process, and may be sent again."""
KEY = re.compile(r"[!-~]{1,200}")


def once(request: Request, parts: list[str], work: Callable[[], Response]) -> Response:
    """Do the work, or give the answer that it had. `parts` are what makes two requests the same.

    Without the header the work is simply done. Raises `Problem`: 422 for the key of another request,
    409 while the first one is still running. A request that failed is forgotten and may be sent again, as
    is an answer that lacks something (`search_app.modes`).
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return work()
    if not KEY.fullmatch(key):
        raise Problem("invalid", f"{HEADER}: 1 to 200 visible ASCII characters.")
    digest = hashlib.sha256("\0".join([request.method or "", request.path, *parts]).encode()).hexdigest()
    owner = f"key:{request.auth.pk}" if isinstance(request.auth, ApiKey) else f"user:{request.user.pk}"
    known = _begin(owner, key, digest)
    if isinstance(known, Response):
        return known
    try:
        response = work()
    except BaseException:
        known.delete()
        raise
    if not modes.worth_keeping(response.data):
        known.delete()
        return response
    known.status, known.body = response.status_code, response.data
    known.save(update_fields=["status", "body"])
    return response


def _begin(owner: str, key: str, digest: str) -> StoredResponse | Response:
    """The row of a request that begins, or the answer that it had before."""
    now = timezone.now()
    own = StoredResponse.objects.filter(owner=owner, key=key)
    StoredResponse.objects.filter(created__lt=now - KEPT).delete()
    own.filter(status=None, created__lt=now - GIVEN_UP).delete()
    try:
        with transaction.atomic():
            return StoredResponse.objects.create(owner=owner, key=key, request_hash=digest)
    except IntegrityError:
        row = own.first()
    if row is not None and row.request_hash != digest:
        raise Problem("key_reused", f"This {HEADER} was sent with another request. Choose a new one.")
    if row is None or row.status is None:
        raise Problem(
            "still_running",
            f"The first request with this {HEADER} is still running. Ask again in a moment.",
            headers={"Retry-After": "2"},
        )
    return Response(row.body, status=row.status, headers={"Idempotency-Replayed": "true"})


def hash_of(pieces: Any) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
