"""The REST API against the whole stack: its docs page in Chromium, a document from upload to answer."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Application, manage
from tests.e2e.looks import flaws

pytestmark = [pytest.mark.browser, pytest.mark.models]


def call(
    application: Application, key: str, method: str, path: str, body: object = None, **headers: str
) -> Any:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} | headers
    url = f"{application.url}/api/v1/{path}"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        text = response.read().decode()
        return json.loads(text) if text and "json" in response.headers["Content-Type"] else text


def test_a_document_from_upload_to_answer(application: Application) -> None:
    scopes = [part for scope in ("search", "read", "write") for part in ("--scope", scope)]
    key = manage(application.stack.environment, "api_key", "create", "admin", "e2e", *scopes).split()[-1]
    call(application, key, "POST", "collections", {"name": "api-letters"})
    form = (
        b'--x\r\nContent-Disposition: form-data; name="collection"\r\n\r\napi-letters\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="pier.md"\r\n\r\n'
        b"# Pier\n\nThe harbour master of Skagen is called Ingrid Holm.\n\r\n--x--\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    (sent,) = call(application, key, "POST", "documents", form, **kind)["documents"]
    address, until = f"documents/{sent['document']['id']}", time.monotonic() + 90
    while (state := call(application, key, "GET", address))["state"] in ("queued", "working"):
        assert time.monotonic() < until, state
        time.sleep(0.5)
    assert state["state"] == "searchable", state["reason"]
    asked = {"question": "Who is the harbour master of Skagen?", "collections": ["api-letters"]}
    found = call(application, key, "POST", "search", asked)
    assert "Ingrid Holm" in found["passages"][0]["text"]
    assert found["passages"][0]["stages"]["final"]["rank"] == 1
    answer = call(application, key, "POST", "answers", asked)
    assert "Ingrid Holm" in answer["answer"]["text"]
    assert answer["answer"]["citations"][0]["document_id"] == sent["document"]["id"]
    events = call(application, key, "POST", "answers", asked | {"stream": True})
    names = [line.split(": ")[1] for line in events.splitlines() if line.startswith("event: ")]
    assert (names[0], names[-1]) == ("passages", "done") and "delta" in names
    call(application, key, "DELETE", address)
    with pytest.raises(urllib.error.HTTPError, match="409"):
        call(application, key, "POST", "search", asked)
    call(application, key, "DELETE", "collections/api-letters")


def test_the_docs_page_breaks_no_rule(application: Application, browser: Browser) -> None:
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme, viewport={"width": 380, "height": 800})
        said: list[str] = []
        page.on("console", lambda m, said=said: said.append(m.text) if m.type == "error" else None)
        page.goto(f"{application.url}/api/docs/")
        page.get_by_text("Search passages").click()
        page.get_by_text("A trace is kept").wait_for()
        assert page.locator(".opblock").count() == 22
        found = flaws(page)
        page.close()
        assert (said, found) == ([], [])
