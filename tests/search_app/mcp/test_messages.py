"""The protocol itself: messages, revisions, and what is no message."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from search_app.mcp import rpc, versions
from tests.search_app.mcp.conftest import ACCEPT, HANDSHAKE, MODERN, Speaker

Speaking = Callable[..., Speaker]
CLIENT = {"name": "test", "version": "1"}


def hello(version: str = HANDSHAKE) -> dict[str, Any]:
    return {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT}


def error_of(response: Any, status: int, code: int) -> Any:
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert body["jsonrpc"] == "2.0" and body["error"]["code"] == code and body["error"]["message"]
    assert "result" not in body
    return body


# --- The handshake of 2025 -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        *((version, version) for version in versions.HANDSHAKE),
        ("2025-03-26", HANDSHAKE),
        ("2024-11-05", HANDSHAKE),
        (MODERN, HANDSHAKE),
        ("later", HANDSHAKE),
    ],
)
def test_the_revision_is_agreed_upon(db: None, speaking: Speaking, asked: str, given: str) -> None:
    response = speaking(modern=False).ask("initialize", hello(asked), **{versions.VERSION: ""})
    result = response.json()["result"]
    assert (result["protocolVersion"], result["capabilities"]) == (given, {"tools": {}})
    assert result["serverInfo"]["name"] == "sieve" and "instruction" in result["instructions"]
    assert "Mcp-Session-Id" not in response.headers, "nothing is kept between two messages"


@pytest.mark.parametrize(
    "params",
    [{}, {"protocolVersion": HANDSHAKE}, hello() | {"clientInfo": "x"}, hello() | {"protocolVersion": 7}],
)
def test_a_handshake_that_is_none_is_refused(db: None, speaking: Speaking, params: dict[str, Any]) -> None:
    error_of(speaking(modern=False).ask("initialize", params), 200, rpc.INVALID_PARAMS)


def test_the_methods_of_2025(db: None, speaking: Speaking) -> None:
    speaker = speaking(modern=False)
    assert speaker.ask("ping").json() == {"jsonrpc": "2.0", "id": 7, "result": {}}
    listed = speaker.ask("tools/list").json()["result"]
    assert listed.keys() == {"tools"} and len(listed["tools"]) == 3
    assert len(speaker.ask("tools/list", **{versions.VERSION: ""}).json()["result"]["tools"]) == 3
    for method in ("prompts/list", "resources/read", "server/discover", "tools/Call", ""):
        assert error_of(speaker.ask(method), 200, rpc.METHOD_NOT_FOUND)["id"] == 7
    error_of(speaker.ask("tools/list", {"cursor": "x"}), 200, rpc.INVALID_PARAMS)
    error_of(speaker.ask("tools/call", {"name": "rm"}), 200, rpc.INVALID_PARAMS)
    error_of(speaker.ask("tools/call", {"name": ["search"]}), 200, rpc.INVALID_PARAMS)
    error_of(speaker.ask("tools/call", {"name": "search", "arguments": []}), 200, rpc.INVALID_PARAMS)


@pytest.mark.parametrize("modern", [True, False])
def test_a_notification_has_no_answer(db: None, speaking: Speaking, modern: bool) -> None:
    for method in ("notifications/initialized", "notifications/cancelled", "tools/call", "whatever"):
        response = speaking(modern=modern).send({"jsonrpc": "2.0", "method": method})
        assert (response.status_code, response.content) == (202, b"")


# --- Requests that stand alone, of 2026 ------------------------------------------------------------------


def test_the_methods_of_2026(db: None, speaking: Speaking) -> None:
    speaker = speaking()
    found = speaker.ask("server/discover").json()["result"]
    assert found["supportedVersions"] == ["2025-06-18", "2025-11-25", "2026-07-28"]
    assert (found["resultType"], found["cacheScope"], found["capabilities"]) == (
        "complete",
        "private",
        {"tools": {}},
    )
    assert found["_meta"][versions.META_SERVER]["name"] == "sieve"
    listed = speaker.ask("tools/list").json()["result"]
    assert listed["resultType"] == "complete" and listed["ttlMs"] > 0 and listed["cacheScope"] == "private"
    for method in ("ping", "initialize", "prompts/list", "subscriptions/listen"):
        error_of(speaker.ask(method), 404, rpc.METHOD_NOT_FOUND)
    error_of(speaker.ask("tools/call", {"name": "rm"}), 400, rpc.INVALID_PARAMS)


def test_headers_and_message_must_agree(db: None, speaking: Speaking) -> None:
    speaker = speaking()
    for headers in (
        {versions.METHOD: "tools/call"},
        {versions.METHOD: ""},
        {versions.VERSION: "2027-01-01"},
        {versions.VERSION: "2025-03-26"},
        {versions.VERSION: ""},
    ):
        assert error_of(speaker.ask("tools/list", **headers), 400, rpc.HEADER_MISMATCH)["id"] == 7
    call = {"name": "search", "arguments": {}}
    for name in ("answer", "", "=?base64?c2VhcmNo", "=?base64?!?=", "=?base64?/w==?="):
        error_of(speaker.ask("tools/call", call, **{versions.NAME: name}), 400, rpc.HEADER_MISMATCH)
    assert speaker.ask("tools/call", call, **{versions.NAME: "=?base64?c2VhcmNo?="}).status_code == 200


def test_a_revision_that_is_not_spoken_is_refused_with_those_that_are(db: None, speaking: Speaking) -> None:
    speaker = speaking()
    message = speaker.message("tools/list")
    message["params"]["_meta"][versions.META_VERSION] = "2027-01-01"
    body = error_of(speaker.send(message, **{versions.VERSION: "2027-01-01"}), 400, rpc.UNSUPPORTED_VERSION)
    assert body["error"]["data"] == {"supported": list(versions.SPOKEN), "requested": "2027-01-01"}
    old = speaking(modern=False)
    for version in ("2025-03-26", "1", "x" * 500):
        error_of(old.ask("ping", **{versions.VERSION: version}), 400, rpc.UNSUPPORTED_VERSION)
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        error_of(old.send(note, **{versions.VERSION: version}), 400, rpc.UNSUPPORTED_VERSION)


@pytest.mark.parametrize(
    "meta", [None, [], {}, {versions.META_VERSION: MODERN}, {versions.META_CAPABILITIES: {}}, "both"]
)
def test_a_request_that_stands_alone_says_what_it_needs(db: None, speaking: Speaking, meta: Any) -> None:
    speaker = speaking()
    message = speaker.message("tools/list")
    whole = {versions.META_VERSION: MODERN, versions.META_CAPABILITIES: "all"}
    message["params"]["_meta"] = whole if meta == "both" else meta
    error_of(speaker.send(message), 400, rpc.INVALID_PARAMS)


# --- What is no message ----------------------------------------------------------------------------------


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", rpc.INVALID_REQUEST),
        (b"{", rpc.PARSE_ERROR),
        (b"\xff\xfe", rpc.PARSE_ERROR),
        (b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}', rpc.PARSE_ERROR),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}', rpc.PARSE_ERROR),
        (b"[" * 100_000, rpc.PARSE_ERROR),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', rpc.PARSE_ERROR),
        (b"null", rpc.INVALID_REQUEST),
        (b'"ping"', rpc.INVALID_REQUEST),
        (b"[]", rpc.INVALID_REQUEST),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', rpc.INVALID_REQUEST),
        (b'{"id": 1, "method": "ping"}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1.5, "method": "ping"}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1, "result": {}}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}}', rpc.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}', rpc.INVALID_PARAMS),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": null}', rpc.INVALID_PARAMS),
    ],
)
def test_what_is_no_message_is_refused(
    db: None, speaking: Speaking, body: bytes, code: int, modern: bool
) -> None:
    answer = error_of(speaking(modern=modern).send(body), 400, code)
    assert answer["id"] in (None, 1)


def test_an_id_comes_back_as_it_was(db: None, speaking: Speaking) -> None:
    speaker = speaking(modern=False)
    for id_ in (0, -1, 2**70, "", "7", "\u2028<script>", "x" * rpc.MAX_ID):
        sent = {"jsonrpc": "2.0", "id": id_, "method": "ping"}
        assert speaker.send(sent).json()["id"] == id_
    error_of(speaker.send(sent | {"id": "x" * (rpc.MAX_ID + 1)}), 400, rpc.INVALID_REQUEST)


def test_nothing_that_is_sent_breaks_it(db: None, speaking: Speaking) -> None:
    """Messages with any part replaced by anything: refused or answered, never a bug."""
    dice = random.Random(7)
    for modern in (True, False):
        speaker = speaking(modern=modern)
        for _ in range(200):
            message = speaker.message("tools/call", {"name": dice.choice(["search", "get_document"])})
            message["params"]["arguments"] = {"question": "x", "document_id": 1}
            spoiled(message, dice)
            response = speaker.send(json.dumps(message).encode())
            assert response.status_code in (200, 202, 400, 404), (message, response.content)
            if response.status_code != 202:
                said = response.json()
                assert said.get("error", {}).get("code") != rpc.INTERNAL_ERROR, message
                assert "broken" not in str(said.get("result", {}).get("_meta")), message


ANYTHING: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, "", "\0", "x" * 3000, "../..", "\u202e", [], {}, [[[]]], {"": None}),
    *({"$ref": "#"}, {"_meta": {}}, "2026-07-28", "tools/list"),
)


def spoiled(value: Any, dice: random.Random) -> None:
    """Replace, add or take away one part somewhere inside."""
    while isinstance(value, dict) and value:
        name = dice.choice(list(value))
        if not isinstance(value[name], dict) or not value[name] or dice.random() < 0.3:
            break
        value = value[name]
    way = dice.random()
    if way < 0.6 and value:
        value[name] = dice.choice(ANYTHING)
    elif way < 0.8:
        value[dice.choice(["extra", "id", "params", "arguments", "__proto__"])] = dice.choice(ANYTHING)
    else:
        value.pop(name, None)


# --- Who comes in ----------------------------------------------------------------------------------------


def test_a_key_is_needed_and_a_session_is_none(db: None, people: Any, speaking: Speaking) -> None:
    body = error_of(Speaker(None).ask("tools/list"), 401, rpc.REFUSED)
    assert body["error"]["data"] == {"code": "not_authenticated"}
    bad = Speaker("sv_bad").ask("tools/list")
    error_of(bad, 401, rpc.REFUSED)
    assert bad.headers["WWW-Authenticate"].startswith("Bearer ")
    browser = Client(headers={"Accept": ACCEPT})
    browser.force_login(people["staff"])
    sent = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    error_of(browser.post("/mcp", sent, content_type="application/json"), 401, rpc.REFUSED)


def test_a_page_of_another_site_is_refused(db: None, speaking: Speaking, settings: Any) -> None:
    speaker = speaking()
    for origin in ("http://evil.example", "null", "https://testserver", "http://testserver:8000", "x"):
        assert error_of(speaker.ask("tools/list", Origin=origin), 403, rpc.REFUSED)
    assert speaker.ask("tools/list", Origin="http://testserver").status_code == 200
    settings.CSRF_TRUSTED_ORIGINS = ["https://tool.example"]
    assert speaker.ask("tools/list", Origin="https://tool.example").status_code == 200


def test_only_posts_of_json_that_are_not_too_long(db: None, speaking: Speaking, settings: Any) -> None:
    client = speaking().client
    for method in ("GET", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"):
        response = client.generic(method, "/mcp")
        error_of(response, 405, rpc.REFUSED)
        assert response.headers["Allow"] == "POST"
    error_of(client.post("/mcp", "x=1", content_type="application/x-www-form-urlencoded"), 415, rpc.REFUSED)
    error_of(
        client.post("/mcp", {}, content_type="application/json", headers={"Accept": "text/html"}),
        406,
        rpc.REFUSED,
    )
    for size in (settings.API_MAX_JSON_BYTES + 1, settings.MAX_REQUEST_BYTES):
        far = client.post("/mcp", b"x", content_type="application/json", CONTENT_LENGTH=str(size))
        error_of(far, 413, rpc.REFUSED)
    stranger = Client().post("/mcp", b"x", content_type="application/json", CONTENT_LENGTH=str(2**40))
    error_of(stranger, 413, rpc.REFUSED)
    error_of(
        Client().post("/mcp", b"x", content_type="application/json", SERVER_NAME="elsewhere.example"),
        400,
        rpc.PARSE_ERROR,
    )


def test_messages_are_counted_like_all_requests(db: None, speaking: Speaking, settings: Any) -> None:
    settings.API_RATE_KEY = "2/hour"
    speaker = speaking(modern=False)
    answers = [speaker.ask("ping") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Remaining"] == "1"
    assert error_of(answers[2], 429, rpc.REFUSED)["error"]["data"] == {"code": "throttled"}
    assert answers[2].headers["Retry-After"]
    assert json.loads(answers[2].content)["id"] is None
