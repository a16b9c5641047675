"""The pages in a browser, under the site's own security policy: stream, links, keyboard, width."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.template.loader import render_to_string

from rag.answers import Check, Citation
from rag.trace import Trace
from search_app.pages.answer import answer_context, said_context
from search_app.pages.document import document_context
from search_app.pages.trace import trace_context
from search_app.sse import event, json_event
from tests.search_app.pages.build_trace import QUESTION, build

api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

STATIC = Path(__file__).resolve().parents[3] / "search_app/static"
ID = uuid.UUID(int=7)
TRACE = build()
ASKED = {"collections": [], "question": QUESTION, "selected": []}
LONG = "W" * 400


def trace_page(trace: Trace) -> str:
    created = datetime(2026, 11, 21, 10, 42, 7, tzinfo=UTC)
    return render_to_string(
        "trace/page.html", trace_context(trace, created=created, username="dana", trace_id=ID)
    )


class Site:
    """A browser's page that gets everything from here; what the browser complains of is kept."""

    def __init__(self, page: object) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.answers: dict[str, tuple[str, str]] = {}
        self.asked: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.route("**/*", self._fulfil)

    def _fulfil(self, route: object) -> None:
        path = urlsplit(route.request.url).path
        headers = {"Content-Security-Policy": settings.CONTENT_SECURITY_POLICY}
        if path.startswith("/static/"):
            route.fulfill(path=STATIC / path.removeprefix("/static/"), headers=headers)
            return
        kind, body = self.answers[path]
        route.fulfill(body=body, headers=headers | {"Content-Type": f"{kind}; charset=utf-8"})

    def open(self, html: str, **more: tuple[str, str]) -> object:
        self.answers = {"/": ("text/html", html), **more}
        self.page.goto("http://sieve.test/")
        return self.page


@pytest.fixture
def site(browser: object) -> Iterator[Site]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield Site(context.new_page())
    context.close()


def stream(*frames: str) -> dict[str, tuple[str, str]]:
    return {"/ask/stream": ("text/event-stream", "".join(frames))}


def so_far(trace: Trace, text: str, cited: int) -> str:
    """The frame that is sent when so much of the answer is written."""
    answer = replace(trace.answer, text=text, citations=trace.answer.citations[:cited])  # type: ignore[type-var]
    return event(
        "answer",
        render_to_string("search/_said.html", said_context(replace(trace, answer=answer), live=True)),
    )


def written(trace: Trace) -> list[str]:
    """A frame for each character of the answer, its citations when their sentence is complete."""
    answer = trace.answer
    assert answer is not None
    ends = [citation.answer_span[1] for citation in answer.citations]
    return [
        so_far(trace, answer.text[:at], sum(end < at for end in ends))
        for at in range(1, len(answer.text) + 1)
    ]


FORGED = "<b>Bees</b> [2] <img src=x onerror=alert(1)> ![x](http://elsewhere.test/a.png) fly [1] at noon."


def shown(page: object) -> list[str]:
    """The DOM of everything that an answer shows."""
    parts = (".said", ".flow", ".cards")
    return [page.locator(part).evaluate("part => part.outerHTML") for part in parts]


def hostile() -> Trace:
    """An answer with markup, with markers that nothing knows, and a sentence that was doubted."""
    quoted = TRACE.handed[0][1]
    text = f"{FORGED} [1] Nobody doubts it."
    span = (0, len(FORGED))
    citation = Citation(1, quoted.id, (quoted.span[0], quoted.span[0] + 20), span)
    checks = (
        Check(span, "unsupported", (1,), 0.1, 'It says "noon" & the passage does not.'),
        Check((len(text) - 17, len(text)), "unchecked", (), None, "No time was left."),
    )
    return replace(
        TRACE,
        answer=replace(TRACE.answer, text=text, citations=(citation,)),
        checks=checks,  # type: ignore[type-var]
    )


@pytest.mark.parametrize("trace", [TRACE, hostile()], ids=["plain", "hostile"])
def test_a_streamed_answer_ends_as_the_stored_one(site: Site, trace: Trace) -> None:
    context = answer_context(trace, ID)
    frames = stream(
        event(
            "passages", render_to_string("search/_passages.html", answer_context(replace(trace, answer=None)))
        ),
        *written(trace),
        event("done", render_to_string("search/_answer.html", context)),
    )
    page = site.open(render_to_string("search/ask.html", ASKED), **frames)
    page.wait_for_selector(".flow-end")
    assert urlsplit(page.url).path == f"/answers/{ID}"
    live = shown(page)
    assert page.locator("[data-slot=status]").count() == 0
    site.open(render_to_string("search/ask.html", ASKED | context))
    assert shown(page) == live
    turn = {"turn": {"readable": True}, "question": "q", "url": "", "note": ""}
    site.open(
        render_to_string(
            "history/conversation.html", {"conversation": {"pk": ID, "title": "t"}, "turns": [context | turn]}
        )
    )
    said = page.locator(".turn .answer").evaluate("part => part.outerHTML")
    assert said in live[0]
    assert site.complaints == []
    assert {urlsplit(address).netloc for address in site.asked} == {"sieve.test"}


def test_what_the_reader_holds_stays_while_the_answer_goes_on(site: Site) -> None:
    context, frames = answer_context(TRACE, ID), written(TRACE)
    half = TRACE.answer.text.index("[2]")  # type: ignore[union-attr]
    done = event("done", render_to_string("search/_answer.html", context))
    page = site.open(render_to_string("search/ask.html", ASKED), **stream(*frames[:half]))
    page.wait_for_selector(".degraded a")
    page.evaluate(
        """() => {
          const answer = document.querySelector(".answer");
          getSelection().selectAllChildren(answer.querySelector(".claim"));
          document.querySelector(".cite").focus();
          window.kept = [document.querySelector(".cite"), String(getSelection())];
        }"""
    )
    page.evaluate(
        """async frames => {
          const { patch } = await import("/static/sieve/patch.js");
          for (const html of frames) {
            const wanted = document.createElement("template");
            wanted.innerHTML = html;
            patch(document.querySelector(".said"), wanted.content.querySelector(".said"));
          }
        }""",
        [_data(frame) for frame in (*frames[half:], done)],
    )
    assert page.evaluate("document.activeElement === window.kept[0]")
    assert page.evaluate("String(getSelection()) === window.kept[1] && window.kept[1].length > 20")
    assert page.locator(".answer .unsupported").count() == 1


def _data(frame: str) -> str:
    lines = frame.splitlines()
    return "\n".join(line.removeprefix("data: ") for line in lines if line.startswith("data: "))


def found(trace: Trace) -> str:
    return event(
        "found", render_to_string("search/_passages.html", answer_context(trace) | {"provisional": True})
    )


def test_what_was_found_is_said_to_be_provisional_until_it_is_reranked(site: Site) -> None:
    passages = event("passages", render_to_string("search/_passages.html", answer_context(TRACE)))
    page = site.open(render_to_string("search/ask.html", ASKED), **stream(found(TRACE), passages))
    page.wait_for_selector(".degraded")
    assert page.locator(".provisional").count() == 0
    page = site.open(render_to_string("search/ask.html", ASKED), **stream(found(TRACE)))
    page.wait_for_selector(".degraded")
    assert "What was found stays here" in page.inner_text(".degraded")
    assert "not reranked" in page.inner_text(".cards h2") and "yet" not in page.inner_text(".cards h2")


def test_a_stream_that_breaks_keeps_the_text_and_the_passages(site: Site) -> None:
    frames = stream(
        event("passages", render_to_string("search/_passages.html", answer_context(TRACE))),
        so_far(TRACE, "<b>A closed hive", 0),
        so_far(TRACE, "<b>A closed hive is no neglect.", 0),
    )
    page = site.open(render_to_string("search/ask.html", ASKED), **frames)
    page.wait_for_selector(".degraded")
    assert "The connection broke" in page.inner_text(".degraded")
    assert page.inner_text(".answer") == "<b>A closed hive is no neglect."
    assert page.locator(".card").count() == 5 and page.locator(".status").count() == 0


def test_a_failure_is_said_in_its_own_words(site: Site) -> None:
    frames = stream(json_event("failed", {"message": "There is no collection <x>."}))
    page = site.open(render_to_string("search/ask.html", ASKED), **frames)
    page.wait_for_selector(".degraded")
    assert "There is no collection <x>." in page.inner_text(".degraded")
    assert page.locator(".ghost").count() == 0


def test_a_citation_and_its_passage_light_each_other(site: Site) -> None:
    page = site.open(render_to_string("search/ask.html", ASKED | answer_context(TRACE, ID)))
    page.hover('.cite[data-marker="2"]')
    assert page.locator(".card.hot").get_attribute("id") == "passage-2"
    page.focus("#passage-3 h3 a")
    assert page.locator(".cite.hot").inner_text() == "3"
    assert page.locator(".claim.hot").count() == 1


def test_lines_and_rows_light_each_other_and_the_keyboard_reaches_both(site: Site) -> None:
    page = site.open(trace_page(TRACE))
    page.hover("#row-2 th")
    assert page.locator(".way.hot").get_attribute("data-row") == "2"
    page.focus("[data-chart]")
    page.keyboard.press("Escape")
    assert page.locator(".hot").count() == 0
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.locator("tr.hot").get_attribute("id") == "row-3"
    assert "Final 3" in page.inner_text("[data-readout]")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('tr').id") == "row-3"
    assert site.complaints == []


def test_pointing_at_a_grey_line_reads_it(site: Site) -> None:
    page = site.open(trace_page(TRACE))
    page.locator(".rank-chart").first.scroll_into_view_if_needed()
    box = page.locator(".rank-chart").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.75)
    assert page.locator(".way.rest.hot").count() == 1
    page.mouse.move(2, 2)
    assert page.locator(".hot").count() == 0


def test_the_rows_can_be_narrowed_without_a_script(browser: object) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = Site(context.new_page()).open(trace_page(TRACE))
    shown = page.locator("tbody tr[data-row]:visible")
    first = shown.count()
    page.click("label[for=rows-all]")
    assert (first < 30, shown.count()) == (True, 163)
    page.click("label[for=rows-used]")
    assert shown.count() == 5
    context.close()


PAGES = {
    "trace": lambda: trace_page(TRACE),
    "answer": lambda: render_to_string(
        "search/ask.html", ASKED | answer_context(TRACE, ID) | {"question": QUESTION + LONG}
    ),
    "no answer": lambda: render_to_string(
        "search/ask.html", ASKED | answer_context(build(answered="no_answer"))
    ),
    "ask": lambda: render_to_string("search/ask.html", ASKED | {"question": ""}),
    "first": lambda: render_to_string("search/ask.html", ASKED | {"question": "", "first_run": True}),
    "document": lambda: render_to_string(
        "document/page.html", document_context(LONG, f"{LONG}\n\n{LONG}", [(0, 1, LONG)], [0], (5, 300))
    ),
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [380, 1280])
def test_no_page_is_wider_than_its_window(site: Site, name: str, width: int) -> None:
    site.page.set_viewport_size({"width": width, "height": 800})
    page = site.open(PAGES[name]())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert site.complaints == []


def test_lines_of_an_answer_hold_about_sixty_six_characters(site: Site) -> None:
    page = site.open(render_to_string("search/ask.html", ASKED | answer_context(TRACE, ID)))
    size = page.evaluate(
        """() => {
          const answer = document.querySelector(".answer");
          answer.textContent = "Between two looks three weeks may pass without harm, in spring. ".repeat(25);
          const height = parseFloat(getComputedStyle(answer).lineHeight);
          return answer.textContent.length / (answer.getBoundingClientRect().height / height);
        }"""
    )
    assert 56 <= size <= 76, "a wide or a narrow font moves it a little"
