"""Traces, queries, pipelines and health in a real browser, on the real stack."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Application
from tests.e2e.looks import flaws, in_every_look, looking
from tests.e2e.test_road import ON_HARBOUR, WITH_MOVEMENT, picture

pytestmark = [pytest.mark.browser, pytest.mark.models]


def trace_of(page: Page, question: str) -> None:
    """Ask, and open the trace; whatever the answer is: a machine at work may have had no time for one."""
    page.goto(f"/ask?{urlencode({'q': question, 'wait': '1'})}")
    page.get_by_role("link", name="Open trace").click()
    page.wait_for_url("**/traces/**")


@pytest.fixture(scope="module")
def asked(browser: Browser, application: Application) -> tuple[str, str, dict]:  # type: ignore[type-arg]
    """Addresses of two traces of one question, asked by the admin, and the admin's cookies."""
    context = browser.new_context(base_url=application.url)
    page = context.new_page()
    page.goto("/admin/login/?next=/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", application.password)
    page.press("#id_password", "Enter")
    page.wait_for_url(application.url + "/")
    found = []
    for _ in range(2):
        trace_of(page, WITH_MOVEMENT)
        found.append(page.url.removeprefix(application.url))
    state = context.storage_state()
    context.close()
    return found[0], found[1], state


@pytest.fixture
def seen(browser: Browser, application: Application, asked: tuple) -> Iterator[Page]:  # type: ignore[type-arg]
    """The admin's browser; an error in a page fails the test."""
    context = browser.new_context(
        base_url=application.url, storage_state=asked[2], viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def test_a_line_and_its_row_light_each_other(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.goto(asked[0])
    row = seen.locator("tr[data-row='2']")
    row.hover()
    expect(seen.locator(".rank-chart .way.hot").first).to_have_attribute("data-row", "2")
    expect(seen.locator("[data-readout]")).to_contain_text("BM25")
    seen.locator(".rank-chart").first.locator(".label").first.hover()
    lit = seen.locator("tr.hot")
    expect(lit).to_have_count(1)
    assert lit.get_attribute("data-row") == seen.locator(".way.hot").first.get_attribute("data-row")


def test_the_chart_by_keyboard_alone(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.goto(asked[0])
    seen.locator("[data-chart]").focus()
    seen.keyboard.press("ArrowDown")
    seen.keyboard.press("ArrowDown")
    expect(seen.locator("tr.hot")).to_have_attribute("data-row", "2")
    seen.keyboard.press("Enter")
    expect(seen.locator("tr[data-row='2'] a")).to_be_focused()


def test_the_json_is_downloaded_under_the_name_of_the_trace(
    seen: Page,
    asked: tuple,  # type: ignore[type-arg]
    tmp_path: Path,
) -> None:
    seen.goto(asked[0])
    with seen.expect_download() as download:
        seen.get_by_role("link", name="JSON", exact=True).click()
    number = asked[0].strip("/").rpartition("/")[2]
    assert download.value.suggested_filename == f"trace-{number}.json"
    download.value.save_as(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text("utf-8"))["id"] == number


def test_what_the_generator_got_opens_by_number(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.goto(asked[0])
    handed = seen.locator(".handed")
    expect(handed).to_contain_text("The extractive generator has no prompt")
    expect(handed.locator(".handed-text").first).to_be_visible()
    handed.locator("summary").nth(1).press("Enter")
    expect(handed.locator(".handed-text").nth(1)).to_be_visible()


def test_on_a_narrow_screen_it_is_read_instead_of_scrolled(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.set_viewport_size({"width": 380, "height": 800})
    seen.goto(asked[0])
    assert flaws(seen) == []
    expect(seen.locator(".rank-chart.narrow")).to_be_visible()
    expect(seen.locator(".waterfall.narrow")).to_be_visible()
    expect(seen.locator("[data-chart]")).to_be_hidden()
    way = seen.locator(".ways li").first
    expect(way).to_contain_text(re.compile(r"BM25 (\d+|–) → kNN"))
    scrolled = "element => element.scrollWidth - element.clientWidth"
    assert seen.locator(".candidates .scroll").evaluate(scrolled) <= 0


def test_two_times_asked_side_by_side(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.goto(asked[1])
    seen.get_by_text("Compare with another time").click()
    seen.locator(".others a").first.click()
    expect(seen.get_by_role("heading", name="What was changed")).to_be_visible()
    expect(seen.locator(".slope")).to_be_visible()


def test_a_pipeline_from_form_to_trace_and_back(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    try:
        seen.goto("/manage/pipelines")
        seen.get_by_role("link", name="default").first.click()
        seen.get_by_role("link", name="Edit", exact=True).click()
        depth = seen.locator("[name='rerank.depth']")
        depth.fill("0")
        seen.get_by_role("button", name="Save as a new version").click()
        expect(seen.locator(".spec-field .error")).to_have_text("At least 1.")
        depth.fill("4")
        seen.get_by_role("button", name="Check only").click()
        expect(seen.locator(".verdict-panel")).to_contain_text("rerank.depth is 4, was 16")
        seen.get_by_label("What was changed, and why").fill("Quicker")
        seen.get_by_role("button", name="Save as a new version").click()
        expect(seen.locator(".notes")).to_contain_text("is in use, from the next question on")
        fingerprint = seen.locator(".versions .current .num").get_attribute("title") or ""
        assert fingerprint.startswith("sha256:")
        picture(seen, "pipeline")
        trace_of(seen, ON_HARBOUR)
        expect(seen.locator("#spec")).to_contain_text(fingerprint)
    finally:
        seen.goto("/manage/pipelines/of/default")
        back = seen.get_by_role("button", name="Put file in use")
        if back.count():
            back.click()
    expect(seen.locator(".versions .current h3")).to_contain_text("File")


def test_queries_are_filtered_and_lead_to_their_trace(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.goto("/traces/")
    seen.get_by_label("Words of the question").fill("fall reranking")
    seen.get_by_label("User").fill("admin")
    seen.keyboard.press("Enter")
    rows = seen.locator(".queries tbody tr")
    expect(rows.first).to_contain_text(WITH_MOVEMENT)
    assert rows.count() >= 2
    seen.get_by_label("Slower than, ms").fill("9999999")
    seen.get_by_role("button", name="Filter").click()
    expect(seen.get_by_role("heading", name="No question is like that")).to_be_visible()
    seen.get_by_role("link", name="Clear").click()
    seen.get_by_role("link", name=WITH_MOVEMENT).first.click()
    expect(seen.get_by_role("heading", name=WITH_MOVEMENT)).to_be_visible()


def test_search_as_somebody_says_so(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.goto("/manage/search-as?user=admin")
    seen.get_by_label("Question").fill(ON_HARBOUR)
    seen.get_by_role("button", name="Ask as admin").click()
    expect(seen.locator(".crumbs")).to_contain_text("with the rights of admin", timeout=60_000)


def test_the_health_page_names_the_workers_and_renews_itself(seen: Page, asked: tuple) -> None:  # type: ignore[type-arg]
    seen.set_viewport_size({"width": 1280, "height": 1430})
    seen.goto("/manage/health")
    expect(seen.locator("section", has_text="Workers").last).to_contain_text("rerank")
    first = seen.locator("[data-renew] time").get_attribute("datetime")
    expect(seen.locator("[data-renewing]")).to_be_visible()
    expect(seen.locator("[data-renew] time")).not_to_have_attribute("datetime", first or "", timeout=25_000)
    picture(seen, "health")


@in_every_look
def test_nothing_serious(
    look: tuple[str, int],
    browser: Browser,
    application: Application,
    asked: tuple,  # type: ignore[type-arg]
) -> None:
    number = asked[1].strip("/").rpartition("/")[2]
    pages = (
        asked[0],
        f"{asked[0]}compare?with={number}",
        "/traces/",
        "/traces/?q=nothing+is+asked+so",
        "/manage/pipelines",
        "/manage/pipelines/of/default",
        "/manage/pipelines/of/default/edit",
        "/manage/health",
        "/manage/search-as?user=admin",
    )
    found: list[str] = []
    with looking(browser, application.url, asked[2], look) as page:
        for address in pages:
            page.goto(address)
            found += flaws(page, address)
    assert found == []
