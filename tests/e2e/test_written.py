"""Answers that a language model writes, in a real browser: streamed, doubted, broken off, refused, asked on.

The model is a scripted server on loopback, so that it says what a test needs; one test asks a real one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from rag.errors import ModelError
from rag.models import ModelStore
from tests.e2e.conftest import ROOT, Application, manage, prepared
from tests.e2e.looks import flaws, in_every_look, looking
from tests.e2e.test_road import SECONDS
from tests.faults.proxy import Exchange, Proxy
from tests.rag.chat import writer

pytestmark = [pytest.mark.browser, pytest.mark.models]

QUESTION = "Do I get my money back when the ferry is cancelled because of fog?"
DOUBTED = "The crew of the ferry drinks seven thousand cups of coffee each day [1]."
WORDS = (
    "When the ferry is cancelled because of fog,",
    " the money is not given back [1].",
    " <img src=x onerror=alert(1)> ![x](http://elsewhere.test/x.png) is",
    " text [",
    "77]. ",
    DOUBTED,
)
SPEC = """
import msgspec
from rag.spec import GenerateSpec, RewriteSpec, VerifySpec
from search_app import pipeline_versions, pipelines
spec = msgspec.structs.replace(
    pipelines.spec("default"),
    generate=GenerateSpec(
        backend={backend!r}, model={model!r}, threshold=0, max_sentences=3, budget_ms=60000, max_tokens=60
    ),
    context=msgspec.structs.replace(pipelines.spec("default").context, top=2, max_tokens=700),
    rewrite=RewriteSpec(backend="rule", model="", budget_ms=1000),
    verify=VerifySpec(backend="overlap", model="", threshold=0.5, budget_ms=5000),
)
pipeline_versions.activate(pipeline_versions.save("default", spec))
"""


@dataclass
class Author(writer.Writer):
    """Writes what a test says, and may break off after so many pieces."""

    breaks_after: int = 0

    def _write(self, exchange: Exchange, asked: writer.Asked) -> None:
        if not self.breaks_after:
            return super()._write(exchange, asked)
        exchange.write(writer.HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for piece in list(writer.events(self.words))[: self.breaks_after + 1]:
            exchange.write(writer.chunk(piece))
        exchange.closed = True
        return None


@dataclass
class House:
    application: Application
    author: Author
    proxy: Proxy

    def writes(self, *words: str, breaks_after: int = 0, pause_s: float = 0.15) -> None:
        self.author.words, self.author.breaks_after = words, breaks_after
        self.author.pause_s = pause_s


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A stack of its own, whose pipeline writes by the service `house`. It has no workers: less to start."""
    folder = tmp_path_factory.mktemp("written")
    author = Author(words=WORDS)
    with Proxy("http://127.0.0.1:9") as proxy:
        proxy.on(author)
        services = folder / "services.toml"
        services.write_text(f'[house]\ndialect = "openai"\nurl = "{proxy.url}/v1"\n')
        stack, password = prepared(folder / "data", parts=("redis", "web"), SIEVE_SERVICES=str(services))
        manage(stack.environment, "ingest", str(ROOT / "tests/data/harbour"), "--collection", "harbour")
        chosen = SPEC.format(backend="openai", model=f"house/{writer.MODEL}")
        manage(stack.environment, "shell", "-c", chosen)
        with stack:
            stack.wait_until_ready()
            yield House(Application(stack.url, password, stack), author, proxy)


@pytest.fixture
def page(browser: Browser, house: House) -> Iterator[Page]:
    context = browser.new_context(base_url=house.application.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"error in the page: {error}"))
    page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type == "error" else None)
    own = house.application.url
    page.on("request", lambda r: None if r.url.startswith(own) else problems.append(f"left: {r.url}"))
    page.add_init_script(
        """
        window.lengths = [];
        new MutationObserver(() => {
          const said = document.querySelector("[data-slot=status]") && document.querySelector(".answer");
          const length = said ? said.textContent.length : 0;
          if (length && window.lengths.at(-1) !== length) window.lengths.push(length);
        }).observe(document, { subtree: true, childList: true, characterData: true });
        """
    )
    yield page
    context.close()
    assert problems == []


def asked(page: Page, question: str = QUESTION) -> None:
    page.goto("/ask?q=" + question.replace(" ", "+"))
    page.wait_for_url("**/answers/*", timeout=120 * SECONDS)


def parts(page: Page) -> Sequence[str]:
    """The DOM of what an answer shows."""
    return [page.locator(part).evaluate("part => part.outerHTML") for part in (".said", ".cards", ".flow")]


def same_everywhere(page: Page) -> None:
    """What the stream left on the page is what the kept answer and the conversation show."""
    live = parts(page)
    page.reload()
    assert parts(page) == live
    written = page.locator(".answer, .verdict").first.evaluate("part => part.outerHTML")
    conversation = page.locator("[data-in-conversation]").get_attribute("data-in-conversation")
    page.goto(f"/history/{conversation}")
    assert written in page.locator(".turn").last.inner_html()


def test_an_answer_streams_and_is_the_same_live_finished_and_kept(page: Page, house: House) -> None:
    house.writes(*WORDS)
    asked(page)
    grown = page.evaluate("window.lengths")
    assert len(grown) >= 3 and grown == sorted(grown), "it was read while it was written"
    expect(page.locator(".answer")).to_contain_text("the money is not given back")
    assert page.locator(".answer img, .answer a:not(.cite)").count() == 0
    expect(page.locator(".answer")).not_to_contain_text("[77]")
    expect(page.locator(".answer .unsupported").last).to_contain_text("cups of coffee")
    page.locator(".doubts > summary").click()
    expect(page.locator(".doubts li").last).to_contain_text("cups of coffee")
    page.locator(".doubts > summary").click()
    same_everywhere(page)


def test_a_server_that_breaks_off_leaves_the_text_the_passages_and_a_note(page: Page, house: House) -> None:
    house.writes(*WORDS, breaks_after=2)
    asked(page)
    expect(page.locator(".answer")).to_contain_text("the money is not given back")
    expect(page.locator(".ended")).to_contain_text("could not be written to its end")
    expect(page.locator(".degraded")).to_contain_text("could not be written to its end")
    assert page.locator(".card").count() == 2
    same_everywhere(page)


def test_a_server_that_is_away_leaves_the_passages(page: Page, house: House) -> None:
    with house.proxy.broken(writer.refuses(503)):
        house.proxy._rules.reverse()  # the refusal comes before the author
        asked(page, "When does the ferry to the island leave?")
    house.proxy.on(house.author)
    expect(page.locator(".degraded")).to_contain_text("No answer was written")
    expect(page.locator(".said")).to_contain_text("The passages that were found are shown.")
    assert page.locator(".card").count() == 2


def test_a_follow_up_is_understood_with_the_question_before(page: Page, house: House) -> None:
    house.writes("The lighthouse was built of granite in 1836 [1].")
    asked(page, "When was the lighthouse built?")
    field = page.get_by_role("textbox", name="Your question")
    expect(field).to_have_attribute("placeholder", "Ask a follow-up")
    field.fill("And of what stone?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url("**/answers/*", timeout=120 * SECONDS)
    expect(page.locator(".understood")).to_contain_text("lighthouse")
    same_everywhere(page)


def test_the_trace_says_how_it_was_written(page: Page, house: House) -> None:
    house.writes(*WORDS)
    asked(page)
    page.get_by_role("link", name="Open trace").click()
    facts = page.locator(".written .facts")
    expect(facts).to_contain_text("16 of them computed before")
    expect(facts).to_contain_text("named no passage")
    expect(page.locator(".sentences tr.unsupported").last).to_contain_text("cups of coffee")
    expect(page.locator(".waterfall").first).to_contain_text("check sentences")


@in_every_look
def test_nothing_serious(look: tuple[str, int], browser: Browser, house: House) -> None:
    house.writes(*WORDS, pause_s=0.0)
    found: list[str] = []
    with looking(browser, house.application.url, None, look) as page:
        asked(page)
        page.locator(".doubts > summary").click()
        found += flaws(page, "doubted")
        page.get_by_role("link", name="Open trace").click()
        found += flaws(page, "trace")
        house.writes(*WORDS, breaks_after=2)
        asked(page)
        found += flaws(page, "broken")
    assert found == []


def test_a_real_model_streams(page: Page, house: House) -> None:
    pytest.importorskip("xllamacpp")
    name = "smollm2-135m-instruct-q4_1"
    try:
        ModelStore(settings.MODEL_DIR).path(name)
    except ModelError:
        pytest.skip(f"the model {name} was not pulled")
    stack = house.application.stack
    manage(stack.environment, "shell", "-c", SPEC.format(backend="llama", model=name))
    asked(page)
    same_everywhere(page)
