"""Requests for the matrix: to any route, as any kind of viewer, undone when they are answered."""

import re
import uuid
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client

from search_app import models
from tests.search_app.rights import matrix
from tests.search_app.rights.people import Scene
from tests.search_app.rights.samples import body, values

COUNTED = (
    models.Collection,
    models.Document,
    models.TraceRecord,
    models.Conversation,
    models.Feedback,
    models.ApiKey,
    models.PipelineVersion,
)
_TOKEN = re.compile(
    r'name="csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"'
    r"|(RateLimit-\w+|Content-Length): \d+|X-Request-ID: \S+",
    re.I,
)


@dataclass
class Walk:
    scene: Scene
    clients: dict[bool, Client] = field(default_factory=dict)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    headers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def ask(
        self,
        route: str,
        method: str,
        kind: str,
        *,
        missing: bool = False,
        csrf: bool = False,
        keep: bool = False,
    ) -> HttpResponseBase:
        """One request. `missing`: for what is not there; `keep`: what it changes is not undone."""
        client = self._client(kind, csrf)
        client.cookies = SimpleCookie(self.cookies[kind])
        path = matrix.address(route, values(self.scene, route, kind, missing=missing))
        with transaction.atomic():
            content, content_type, query = body(self.scene, route, method)
            response = client.generic(method, path + query, content, content_type)
            response.read_all = text_of(response).replace(path, "").replace(quote(path, safe=""), "")
            transaction.set_rollback(not keep)
        return response

    def _client(self, kind: str, csrf: bool) -> Client:
        """The same client for all kinds, since a new one finds all static files anew."""
        if kind not in self.cookies:
            client = self.scene.client(kind)
            self.cookies[kind] = {name: morsel.value for name, morsel in client.cookies.items()}
            self.headers[kind] = client.defaults
        client = self.clients.setdefault(
            csrf, Client(enforce_csrf_checks=csrf, raise_request_exception=False)
        )
        client.defaults = self.headers[kind]
        return client

    def plain(self, response: HttpResponseBase) -> tuple[int, str]:
        """A response without what differs from one request to the next, and without what was asked for."""
        text = _TOKEN.sub("", text_of(response))
        for word in (*self.scene.ids(), str(uuid.UUID(int=7))):
            text = text.replace(word, "ID")
        return response.status_code, text

    def rows(self) -> list[list[Any]]:
        """All rows that a request could change, as far as anybody would mind."""
        return [list(model.objects.order_by("pk").values()) for model in COUNTED]


def text_of(response: HttpResponseBase) -> str:
    """Headers and body of a response, streamed ones to their end."""
    if hasattr(response, "read_all"):
        return response.read_all
    content = b"".join(response.streaming_content) if response.streaming else response.content
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    return f"{headers}\n\n{content.decode('utf-8', 'replace')}"
