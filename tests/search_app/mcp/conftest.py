"""A client that speaks the protocol with a key, in both ways that there are."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from search_app import keys
from search_app.mcp import versions
from tests.search_app.api.conftest import filled, people
from tests.search_app.scripted import scripted

__all__ = ["filled", "people", "scripted"]

MODERN, HANDSHAKE = versions.MODERN[-1], versions.HANDSHAKE[-1]
ACCEPT = "application/json, text/event-stream"


class Speaker:
    """`ask(method, params)` gives the whole answer; `modern` chooses the revision."""

    def __init__(self, key: str | None, modern: bool = True) -> None:
        own = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.client = Client(headers={"Accept": ACCEPT} | own, raise_request_exception=False)
        self.modern = modern

    def message(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        params = dict(params or {})
        if self.modern:
            params["_meta"] = {versions.META_VERSION: MODERN, versions.META_CAPABILITIES: {}}
        return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}

    def ask(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.send(self.message(method, params), **headers)

    def send(self, body: Any, **headers: str) -> Any:
        own = {versions.VERSION: MODERN if self.modern else HANDSHAKE}
        if self.modern and isinstance(body, dict):
            own[versions.METHOD] = str(body.get("method"))
            if isinstance(body.get("params"), dict) and "name" in body["params"]:
                own[versions.NAME] = str(body["params"]["name"])
        sent = {k: v for k, v in (own | {n.replace("_", "-"): v for n, v in headers.items()}).items() if v}
        return self.client.post("/mcp", body, content_type="application/json", headers=sent)

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool."""
        response = self.ask("tools/call", {"name": tool, "arguments": arguments})
        assert response.status_code == 200, response.content
        return response.json()["result"]


@pytest.fixture
def speaking(people: dict[str, Any]) -> Callable[..., Speaker]:
    """`speaking("reader", "search", modern=False, only=[...])`."""

    def make(who: str = "reader", *scopes: str, modern: bool = True, only: tuple[Any, ...] = ()) -> Speaker:
        _, text = keys.make(people[who], "test", scopes or keys.SCOPES, only)
        return Speaker(text, modern)

    return make
