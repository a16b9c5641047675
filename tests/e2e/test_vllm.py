"""A real vLLM asked in a real browser: its tokens stream, it remembers the prompt, and it may die meanwhile.

The model is far too small to answer well; what it writes is not looked at. The last test kills the server
that `make vllm ARGS=chat` started, and starts it again.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from scripts.vllm.__main__ import main as vllm_command
from scripts.vllm.__main__ import servers
from tests import vllm
from tests.e2e.conftest import ROOT, Application, manage, prepared
from tests.e2e.test_road import SECONDS
from tests.e2e.test_written import QUESTION, SPEC, House, asked, page, same_everywhere
from tests.faults.proxy import Proxy
from tests.rag.chat.writer import Writer

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.vllm("chat")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    served = vllm.running("chat")
    folder = tmp_path_factory.mktemp("vllm")
    services = folder / "services.toml"
    services.write_text(f'[real]\ndialect = "openai"\nurl = "{served.url}/v1"\ntimeout_ms = 120000\n')
    stack, password = prepared(folder / "data", parts=("redis", "web"), SIEVE_SERVICES=str(services))
    manage(stack.environment, "ingest", str(ROOT / "tests/data/harbour"), "--collection", "harbour")
    manage(stack.environment, "shell", "-c", SPEC.format(backend="openai", model=f"real/{served.model}"))
    with stack, Proxy("http://127.0.0.1:9") as nobody:
        stack.wait_until_ready()
        yield House(Application(stack.url, password, stack), Writer(), nobody)  # type: ignore[arg-type]


def test_tokens_stream_and_the_second_question_finds_the_prompt_remembered(page: Page, house: House) -> None:
    asked(page)
    grown = page.evaluate("window.lengths")
    assert len(grown) >= 3 and grown == sorted(grown), "it was read while it was written"
    same_everywhere(page)
    asked(page)
    page.get_by_role("link", name="Open trace").click()
    told = page.locator("main").inner_text()
    remembered = re.search(r"([\d,]+) of them computed before", told)
    assert remembered is not None, told[:3000]
    assert int(remembered[1].replace(",", "")) >= 64


def test_killed_amid_its_answer_it_leaves_the_text_so_far_the_passages_and_a_note(
    page: Page, house: House
) -> None:
    server = servers(["chat"])[0]
    number = server.pid()
    assert number is not None
    try:
        page.goto("/ask?q=" + QUESTION.replace(" ", "+"))
        until = time.monotonic() + 120  # the page allows no function to be waited for by its text
        while page.evaluate("window.lengths.length") < 2 and time.monotonic() < until:
            time.sleep(0.1)
        os.killpg(number, signal.SIGKILL)
        page.wait_for_url("**/answers/*", timeout=60 * SECONDS)
        expect(page.locator(".degraded")).to_contain_text("could not be written to its end")
        assert page.locator(".answer").inner_text().strip()
        assert page.locator(".card").count() == 2
        same_everywhere(page)

        asked(page, "When does the ferry to the island leave?")  # before the first token: nobody is there
        expect(page.locator(".degraded")).to_contain_text("No answer was written")
        assert page.locator(".card").count() == 2
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(number, signal.SIGKILL)
        until = time.monotonic() + 60
        while server.pid() is not None and time.monotonic() < until:
            time.sleep(0.5)
        port = vllm.running("chat").url.rpartition(":")[2]
        vllm_command(["start", "chat", port])
