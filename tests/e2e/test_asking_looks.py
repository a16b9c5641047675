"""Every page of who asks in both schemes, narrow and wide: nothing runs off it, axe finds nothing serious."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Application, sign_in
from tests.e2e.looks import flaws, in_every_look, looking
from tests.e2e.test_road import ON_HARBOUR, ask

pytestmark = [pytest.mark.browser, pytest.mark.models]

PAGES = (
    "home",
    "answer",
    "no answer",
    "nothing",
    "failed",
    "history",
    "conversation",
    "document",
    "long document",
    "sign-in",
    "refused",
    "account",
    "404",
)


@pytest.fixture(scope="module")
def addresses(browser: Browser, people: Application) -> Iterator[tuple[dict[str, str], dict]]:  # type: ignore[type-arg]
    """Where each page is, and the cookies of dana, who asked."""
    context = browser.new_context(base_url=people.url)
    page = sign_in(context.new_page(), "dana")
    ask(page, ON_HARBOUR)
    page.wait_for_url("**/answers/*")
    page.get_by_role("button", name="Not helpful").click()
    page.wait_for_selector("#reason")
    page.get_by_role("button", name="Share", exact=True).click()
    page.wait_for_selector("#share-link")
    found = {"home": "/", "answer": page.url, "history": "/history/", "sign-in": "/sign-in"}
    found["document"] = page.locator(".answer a.cite").first.get_attribute("href") or ""
    page.get_by_role("textbox", name="Your question").fill("Who painted the Sistine Chapel?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_selector(".verdict", timeout=60_000)
    page.wait_for_url("**/answers/*")
    found["no answer"] = page.url
    conversation = page.get_by_role("link", name="The whole conversation")
    found["conversation"] = conversation.get_attribute("href") or ""
    page.goto("/ask?q=Which+whale+swam+into+the+inner+basin%3F")
    page.wait_for_selector(".answer a.cite", timeout=60_000)
    found["long document"] = page.locator(".answer a.cite").first.get_attribute("href") or ""
    found |= {"failed": "/ask?q=ferry&wait=1&collection=nowhere", "account": "/account", "404": "/nowhere"}
    found["nothing"] = "/history/?q=zebra"
    state = context.storage_state()
    context.close()
    yield found, state


@in_every_look
def test_nothing_serious(
    look: tuple[str, int],
    browser: Browser,
    people: Application,
    addresses: tuple,  # type: ignore[type-arg]
) -> None:
    found: list[str] = []
    with looking(browser, people.url, addresses[1], look) as page:
        for name in PAGES:
            if name == "refused":
                page.goto("/sign-in")
                page.fill("#id_username", "dana")
                page.fill("#id_password", "wrong")
                page.press("#id_password", "Enter")
                page.wait_for_selector("[role=alert]")
            else:
                page.goto(addresses[0][name])
            for menu in page.locator("main details.menu > summary").all()[:1]:
                menu.click()
            found += flaws(page, name)
    assert found == []
