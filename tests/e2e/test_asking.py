"""The pages of who asks, as a person uses them: stream, citations, conversation, share, feedback, keys."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import Application, manage, sign_in
from tests.e2e.test_road import ON_HARBOUR, SECONDS, ask, picture

pytestmark = [pytest.mark.browser, pytest.mark.models]

ON_LIGHTHOUSE = "When was the lighthouse built?"
ON_SALE = "Which company is the ferry sold to?"
ON_PDF = "How many crowns does the new pier cost?"


@pytest.fixture
def dana(page: Page, people: Application) -> Page:
    return sign_in(page, "dana")


@pytest.fixture
def stranger(browser: Browser, application: Application) -> "BrowserContext":
    context = browser.new_context(base_url=application.url)
    yield context  # type: ignore[misc]
    context.close()


def frames_of(page: Page) -> None:
    """Note when which words first stood on the page."""
    page.add_init_script(
        """
        window.seen = [];
        new MutationObserver(() => {
          const card = document.querySelector(".card[data-passage]");
          const state = document.querySelector(".cards.provisional") ? "found"
            : document.querySelector(".answer:not(.streaming)") ? "done" : card ? "passages" : "";
          if (state && window.seen.at(-1) !== state) window.seen.push(state);
        }).observe(document, { subtree: true, childList: true });
        """
    )


# --- Asking ------------------------------------------------------------------------------------------------


def test_what_was_found_comes_first_then_the_same_reranked_then_the_answer(page: Page) -> None:
    frames_of(page)
    ask(page, ON_HARBOUR)
    seen = page.evaluate("window.seen")
    assert seen[0] == "found" and seen[-1] == "done"


def test_a_filter_by_collection_is_kept(dana: Page) -> None:
    dana.goto("/")
    dana.get_by_role("textbox", name="Your question").fill(ON_SALE)
    dana.get_by_role("checkbox", name=re.compile("harbour", re.I)).check()
    dana.get_by_role("button", name="Ask").click()
    dana.wait_for_url("**/answers/*")
    where = dana.locator("article.card .where").all_inner_texts()
    assert where and all(text.startswith("harbour") for text in where)
    expect(dana.locator(".question .chip.on")).to_have_text(re.compile("harbour", re.I))
    expect(dana.get_by_role("checkbox", name=re.compile("harbour", re.I))).to_be_checked()


def test_stopping_keeps_what_is_there_and_offers_to_ask_again(page: Page) -> None:
    # Held back at the door, so that there is something to stop on a fast machine too.
    page.route("**/ask/stream**", lambda route: None)
    page.goto("/ask?q=" + ON_HARBOUR.replace(" ", "+"))
    page.get_by_role("button", name="Stop").press("Enter")
    note = page.locator(".said .degraded")
    expect(note).to_contain_text("Stopped.")
    expect(page.get_by_role("link", name="Ask again")).to_be_focused()
    expect(page.locator(".ghost")).to_have_count(0)
    page.unroute("**/ask/stream**")
    page.keyboard.press("Enter")
    expect(page.locator(".answer a.cite").first).to_be_visible(timeout=60 * SECONDS)


def test_leaving_the_page_ends_the_question(page: Page, people: Application) -> None:
    asked = "What does a berth cost for a boat that leaves at once?"
    page.goto("/ask?q=" + asked.replace(" ", "+"))
    page.wait_for_selector(".cards.provisional, .answer a.cite, .verdict")
    page.goto("/history/")
    count = "from search_app.models import TraceRecord as T; print('kept', T.objects.filter({}).count())"
    for _ in range(20):
        if "kept 1" in manage(people.stack.environment, "shell", "-c", count.format(f"question={asked!r}")):
            break
        page.wait_for_timeout(500)
    else:
        raise AssertionError("the question was never ended")


# --- Citations and documents -------------------------------------------------------------------------------


def test_a_citation_of_a_pdf_leads_to_its_page(dana: Page) -> None:
    ask(dana, ON_PDF)
    dana.locator(".answer a.cite").first.click()
    expect(dana.locator("#cited")).to_contain_text("four hundred thousand crowns")
    link = dana.get_by_role("link", name="Page 2 of the PDF")
    address = link.get_attribute("href") or ""
    assert address.endswith("/file#page=2")
    response = dana.request.get(address.partition("#")[0])
    assert response.headers["content-type"] == "application/pdf"
    assert response.body().startswith(b"%PDF-")


def test_a_citation_in_a_long_document_opens_its_part(dana: Page) -> None:
    ask(dana, "Which whale swam into the inner basin?")
    dana.locator(".answer a.cite").first.click()
    expect(dana.locator("#cited")).to_contain_text("Mathilda")
    expect(dana.locator("#cited")).to_be_in_viewport()
    expect(dana.get_by_text("A long document")).to_be_attached()
    dana.get_by_role("link", name="Read on").click()
    expect(dana.get_by_role("link", name="Read what stands before")).to_be_visible()
    expect(dana.get_by_role("link", name="To the cited words")).to_be_visible()


# --- Conversation, share, feedback -------------------------------------------------------------------------


def test_a_conversation_from_its_first_question_to_its_deletion(page: Page) -> None:
    ask(page, ON_HARBOUR)
    page.wait_for_url("**/answers/*")
    page.get_by_role("textbox", name="Your question").fill(ON_LIGHTHOUSE)
    page.get_by_role("button", name="Ask", exact=True).click()
    earlier = page.get_by_role("region", name="Asked before in this conversation")
    expect(earlier).to_contain_text(ON_HARBOUR)
    page.wait_for_url("**/answers/*", timeout=60 * SECONDS)
    expect(page.get_by_role("heading", level=1)).to_have_text(ON_LIGHTHOUSE)
    page.get_by_role("link", name="History").click()
    expect(page.locator(".conversations li")).to_have_count(1)
    expect(page.locator(".conversations li")).to_contain_text("2 questions")
    page.set_viewport_size({"width": 1280, "height": 420})
    picture(page, "history")
    page.get_by_role("searchbox").fill("lighthouse")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=ON_HARBOUR).click()
    expect(page.locator(".turn")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="Markdown").click()
    assert ON_LIGHTHOUSE in Path(download.value.path()).read_text("utf-8")
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/history/")
    expect(page.get_by_text("You have asked nothing here yet")).to_be_visible()


def test_a_shared_answer_is_open_to_who_may_read_it_and_closed_again(
    dana: Page, stranger: BrowserContext, browser: Browser, people: Application
) -> None:
    ask(dana, ON_SALE)
    dana.wait_for_url("**/answers/*")
    dana.get_by_role("button", name="Share", exact=True).click()
    link = dana.get_by_label("Whoever has this link")
    expect(link).to_have_value(dana.url)
    eve = sign_in(stranger.new_page(), "eve")
    assert eve.goto(dana.url).status == 404  # type: ignore[union-attr]
    admin = browser.new_context(base_url=people.url).new_page()
    admin.goto("/sign-in")
    admin.get_by_label("Name").fill("admin")
    admin.get_by_label("Password").fill(people.password)
    admin.keyboard.press("Enter")
    admin.wait_for_url("**/")
    admin.goto(dana.url)
    expect(admin.locator(".answer")).to_contain_text("Northwind")
    admin.context.close()
    dana.get_by_role("button", name="Shared: stop sharing").click()
    expect(link).to_have_count(0)


def test_who_may_not_read_finds_nothing_anywhere(dana: Page, stranger: BrowserContext) -> None:
    ask(dana, ON_SALE)
    dana.wait_for_url("**/answers/*")
    document = dana.locator("article.card h3 a").first.get_attribute("href") or ""
    trace = dana.get_by_role("link", name="Open trace").get_attribute("href") or ""
    history = dana.request.get("/history/export.json").json()[0]["id"]
    eve = sign_in(stranger.new_page(), "eve")
    for address in (dana.url, document, trace, f"/history/{history}", f"{document.partition('?')[0]}/file"):
        assert eve.goto(address).status == 404, address  # type: ignore[union-attr]
    eve.goto("/ask?q=" + ON_SALE.replace(" ", "+"))
    eve.wait_for_url("**/answers/*", timeout=60 * SECONDS)
    assert "Northwind" not in eve.content() and "Board" not in eve.content()
    eve.goto("/history/")
    expect(eve.locator(".conversations li")).to_have_count(1)


def test_feedback_with_a_reason(page: Page) -> None:
    ask(page, ON_HARBOUR)
    page.wait_for_url("**/answers/*")
    page.get_by_role("button", name="Not helpful").click()
    expect(page.get_by_role("button", name="Not helpful")).to_have_attribute("aria-pressed", "true")
    reason = page.get_by_label("What was wrong?")
    expect(reason).to_be_focused()
    reason.fill("out of date")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Thank you. Your reason")).to_have_value("out of date")
    page.reload()
    expect(page.get_by_label("Thank you. Your reason")).to_have_value("out of date")
    picture(page, "feedback")


def test_share_and_feedback_without_javascript(browser: Browser, application: Application) -> None:
    context = browser.new_context(base_url=application.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("textbox", name="Your question").fill(ON_HARBOUR)
    page.get_by_role("button", name="Ask").click()
    page.wait_for_url("**/answers/*", timeout=60 * SECONDS)
    page.get_by_role("button", name="Helpful", exact=True).click()
    expect(page.get_by_label("What helped?")).to_be_visible()
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_label("Whoever has this link")).to_be_visible()
    page.goto("/history/")
    page.locator("summary", has_text="Delete all").click()
    page.get_by_role("button", name="Delete all of it").click()
    expect(page.get_by_text("You have asked nothing here yet")).to_be_visible()
    context.close()


# --- Keyboard ----------------------------------------------------------------------------------------------


def test_a_question_that_no_address_can_hold_is_not_sent(page: Page) -> None:
    page.goto("/")
    field = page.get_by_role("textbox", name="Your question")
    field.fill("渡" * 1500)
    field.press("Enter")
    assert "too long" in field.evaluate("field => field.validationMessage")
    assert page.url.endswith("/")
    field.fill("渡" * 500)
    field.press("Enter")
    page.wait_for_url("**/ask?q=**")


def test_the_keys_of_the_answer_page(page: Page) -> None:
    ask(page, ON_HARBOUR)
    page.wait_for_url("**/answers/*")
    page.keyboard.press("j")
    expect(page.locator(".answer a.cite").first).to_be_focused()
    expect(page.locator("article.card.hot")).to_have_count(1)
    page.keyboard.press("k")
    expect(page.locator(".answer a.cite").first).not_to_be_focused()
    page.keyboard.press("/")
    question = page.get_by_role("textbox", name="Your question")
    expect(question).to_be_focused()
    page.keyboard.type("j/k")
    expect(question).to_have_value("j/k")
    page.get_by_role("checkbox", name="shortcuts").uncheck()
    page.locator("body").press("/")
    expect(question).not_to_be_focused()


def test_everything_again_by_keyboard_only(page: Page) -> None:
    def tab_to(name: str, limit: int = 60) -> None:
        for _ in range(limit):
            page.keyboard.press("Tab")
            said = page.evaluate(
                """() => {
                  const at = document.activeElement;
                  return (at.getAttribute("aria-label") ?? at.textContent).trim();
                }"""
            )
            if said.startswith(name):
                shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert shown != "none", f"no visible focus on {name}"
                return
        raise AssertionError(f"the tab key never reached {name}")

    page.goto("/")
    page.keyboard.type(ON_HARBOUR)
    page.keyboard.press("Enter")
    page.wait_for_url("**/answers/*", timeout=60 * SECONDS)
    tab_to("Share")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Whoever has this link")).to_be_visible()
    page.goto("/history/")
    tab_to("Delete:")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Delete it")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete it")).to_be_hidden()
    page.keyboard.press("Enter")
    tab_to("Delete it")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You have asked nothing here yet")).to_be_visible()
