"""What a request of the matrix is sent with: parameters of its route, and a body that would do."""

import json
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from search_app import models
from search_app.middleware import API
from tests.search_app.rights.people import Scene

FORM, JSON = "application/x-www-form-urlencoded", "application/json"

QUERIES: dict[str, Callable[[Scene], str]] = {
    "/ask/stream": lambda _: "?q=Will+the+ferry+company+be+sold",
    "/ask": lambda _: "?q=Will+the+ferry+company+be+sold&wait=1",
    "/traces/<uuid:trace_id>/compare": lambda scene: f"?with={scene.trace.pk}",
    "/admin/autocomplete/": lambda _: (
        "?app_label=search_app&model_name=document&field_name=collection&term=cm"
    ),
    "/manage/search-as": lambda _: "?user=reader",
}
"""Route → what stands behind its path."""

FORMS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "/answers/<uuid:trace_id>/feedback": lambda _: {"liked": "1"},
    "/answers/<uuid:trace_id>/share": lambda _: {"on": "1"},
    "/manage/collections/<slug:name>/delete": lambda _: {"name": "cmboard"},
    "/manage/documents/change": lambda scene: {"action": "delete", "document": scene.document.pk, "sure": 1},
    "/manage/pipelines/of/<slug:name>/activate": lambda _: {"version": "file"},
    "/manage/search-as": lambda _: {"user": "reader", "q": "Will the ferry company be sold"},
    "/manage/upload": lambda _: {"collection": "cmboard", "files": a_file()},
    "/manage/upload/file": lambda _: {"collection": "cmboard", "file": a_file()},
    "/manage/upload/collection": lambda _: {"new-name": "fresh", "new-language": "en"},
}
"""Route → the form that is posted there; elsewhere an empty one."""

TEXTS = {"model": "kept", "query": "ferry", "documents": ["The ferry leaves.", "A lighthouse."]}

CHAT = {"messages": [{"role": "user", "content": "Will the ferry company be sold"}]}
CALL = {"name": "answer", "arguments": {"question": "Will the ferry company be sold"}}

BODIES: dict[tuple[str, str], Callable[[Scene], dict[str, Any]]] = {
    ("/api/v1/search", "POST"): lambda _: {"question": "Will the ferry company be sold"},
    ("/api/v1/answers", "POST"): lambda _: {"question": "Will the ferry company be sold"},
    **{
        (f"{before}/v{version}/rerank", "POST"): lambda _: TEXTS
        for before in ("/api", "")
        for version in (1, 2)
    },
    **{(f"{before}/v1/chat/completions", "POST"): lambda _: CHAT for before in ("/api", "")},
    ("/mcp", "POST"): lambda _: {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL},
    ("/api/v1/collections", "POST"): lambda _: {"name": "fresh"},
    ("/api/v1/collections/<slug:name>", "PATCH"): lambda _: {"title": "Changed", "public": True},
    ("/api/v1/documents", "POST"): lambda _: {"collection": "cmboard", "file": a_file()},
    ("/api/v1/feedback", "POST"): lambda scene: {"trace": str(scene.trace.pk), "liked": True},
}
"""Route and method → the JSON that is sent there, or a form with files."""


def a_file() -> BytesIO:
    file = BytesIO(b"A new file.")
    file.name = "new.txt"
    return file


MISSING: dict[str, object] = {
    "document_id": 987654321,
    "trace_id": uuid.UUID(int=7),
    "conversation_id": uuid.UUID(int=7),
    "name": "no-such-thing",
    "url": "no/such/page",
    "app_label": "axes",
    "key_id": 987654321,
    "content_type_id": 987654321,
    "action": "no-such-thing",
    "model": "no-such-thing",
}


def values(scene: Scene, route: str, kind: str, *, missing: bool) -> dict[str, object]:
    """Parameter of a route → the id of something private, or of nothing."""
    if missing:
        return {**MISSING, **_rows(route, missing=True)}
    record = scene.former if kind == "former" else scene.trace
    private: dict[str, object] = {
        "document_id": scene.document.pk,
        "trace_id": record.pk,
        "conversation_id": record.conversation_id,
        "name": "light" if "/pipelines/" in route else scene.document.collection.name,
        "url": "search_app/document",
        "key_id": models.ApiKey.objects.get(name="read").pk,
        "app_label": "search_app",
        "content_type_id": ContentType.objects.get_for_model(models.Document).pk,
        "action": "promote",
        "model": "sieve",
    }
    if route.startswith("/admin/r/"):
        private["object_id"] = scene.document.pk
    return private | _rows(route, missing=False) if "object_id" not in private else private


def _rows(route: str, *, missing: bool) -> dict[str, object]:
    """The row that a page of the admin is about: the newest private one."""
    wanted = route.split("/")[3] if route.startswith("/admin/") and route.count("/") > 4 else ""
    every: list[type[Model]] = [*(getattr(models, name) for name in models.__all__ if name[0].isupper())]
    every = [model for model in every if hasattr(model, "_meta")]
    of = {model._meta.model_name: model for model in [*every, Group, User]}.get(wanted)
    number: object = 987654321
    if of is not None and of._meta.pk is not None and of._meta.pk.get_internal_type() == "UUIDField":
        number = uuid.UUID(int=7)
    row = None if missing or of is None else of._default_manager.order_by("-pk").first()
    if row is not None:
        number = row.pk
    return {"object_id": number, "id": number}


def body(scene: Scene, route: str, method: str) -> tuple[bytes, str, str]:
    """Content, its type, and what stands behind the path."""
    if method in ("GET", "DELETE"):
        return b"", FORM, QUERIES[route](scene) if method == "GET" and route in QUERIES else ""
    if route.startswith(API):
        data = BODIES.get((route, method), lambda _: {})(scene)
    else:
        data = FORMS.get(route, lambda _: {})(scene)
    if any(hasattr(value, "read") for value in data.values()):
        return encode_multipart(BOUNDARY, data), MULTIPART_CONTENT, ""
    if route.startswith(API):
        return json.dumps(data).encode(), JSON, ""
    return urlencode(data, doseq=True).encode(), FORM, ""
