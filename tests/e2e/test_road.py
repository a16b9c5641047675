"""Ask, read, follow a citation, open the trace: as a person does it."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.models]

QUESTION = "What happens to my answer when the reranker runs out of time?"
WITH_MOVEMENT = "Why does a passage fall after reranking?"
ON_HARBOUR = "Do I get my money back when the ferry is cancelled because of fog?"
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
SECONDS = 1000


def picture(page: Page, name: str) -> None:
    """Renew a picture of the README: only where `SIEVE_PICTURES` asks for it."""
    if os.environ.get("SIEVE_PICTURES"):
        page.screenshot(path=PICTURES / f"{name}.png")


def ask(page: Page, question: str) -> None:
    page.goto("/")
    page.get_by_role("textbox", name="Your question").fill(question)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".answer a.cite").first).to_be_visible(timeout=60 * SECONDS)


def test_ask_and_follow_a_citation(page: Page) -> None:
    ask(page, ON_HARBOUR)
    expect(page.locator(".answer")).to_contain_text("money is not given back")
    cited = page.locator("article.card mark").first
    expect(cited).to_be_visible()
    expect(page.locator(".flow")).to_contain_text("passages you may read")
    page.locator(".answer a.cite").first.click()
    marked = page.locator("#cited")
    expect(marked).to_contain_text("money is not given back")
    expect(marked).to_be_in_viewport()


def test_the_stored_answer_reads_the_same(page: Page) -> None:
    ask(page, ON_HARBOUR)
    streamed = page.locator(".answer").inner_text()
    page.wait_for_url("**/answers/*")
    page.reload()
    assert page.locator(".answer").inner_text() == streamed


def test_no_answer_is_said_plainly(page: Page) -> None:
    page.goto("/ask?q=Who+painted+the+ceiling+of+the+Sistine+Chapel%3F")
    expect(page.locator(".verdict")).to_contain_text("do not answer", timeout=60 * SECONDS)
    expect(page.locator("article.card").first).to_be_visible()


def test_without_javascript(browser, application) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context(base_url=application.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("textbox", name="Your question").fill(ON_HARBOUR)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".answer a.cite").first).to_be_visible(timeout=60 * SECONDS)
    context.close()


def test_a_visitor_opens_the_trace_of_his_own_question_only(page: Page, browser, application) -> None:  # type: ignore[no-untyped-def]
    ask(page, ON_HARBOUR)
    page.get_by_role("link", name="Open trace").click()
    expect(page.get_by_role("heading", name="Where each passage stood")).to_be_visible()
    stranger = browser.new_context().new_page()
    assert stranger.goto(page.url).status == 404


def test_trace_page_has_every_stage_as_chart_and_as_numbers(admin: Page) -> None:
    ask(admin, QUESTION)
    picture(admin, "answer")
    ask(admin, WITH_MOVEMENT)
    admin.get_by_role("link", name="Open trace").click()
    admin.set_viewport_size({"width": 1280, "height": 1500})
    picture(admin, "trace")
    for heading in ("Where the time went", "Where each passage stood", "Candidates"):
        expect(admin.get_by_role("heading", name=heading)).to_be_visible()
    head = admin.locator(".candidates-table thead").inner_text().lower()
    for words in ("bm25", "knn", "fused", "late", "rerank", "final", "cosine", "logit", "maxsim"):
        assert words in head.replace("cross-encoder", "rerank"), words
    expect(admin.locator(".candidates-table tbody tr.used")).to_have_count(5)
    expect(admin.locator("#spec")).to_contain_text("sha256:")
    assert "coarse" not in head and "middle" not in head, "stages that this pipeline has not"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_nothing_runs_off_the_page(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    ask(page, ON_HARBOUR)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    page.get_by_role("link", name="Open trace").click()
    assert page.evaluate(wide) <= 0


def test_by_keyboard_only(page: Page) -> None:
    page.goto("/")
    page.keyboard.type(ON_HARBOUR)  # the question has the focus
    page.keyboard.press("Enter")
    expect(page.locator(".answer a.cite").first).to_be_visible(timeout=60 * SECONDS)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('cite')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#cited")).to_be_in_viewport()
