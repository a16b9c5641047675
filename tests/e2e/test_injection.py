"""The injection set in a real browser, answered by a model that obeys each document to the letter."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.faults.writer import Writer
from tests.injection.documents import CANARY, VAULT, documents
from tests.injection.obeying import obeying
from tests.injection.pages import foreign
from tests.served import BY_WORDS, WRITTEN, Served, prepared

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SET = documents()
CLOSE = (
    'from search_app.models import Collection; Collection.objects.filter(name="vault").update(public=False)'
)
OURS = "document.querySelector('.reading').innerHTML"


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("injection")
    for name in ("harbour", "vault"):
        (folder / name).mkdir()
    for attack in SET:
        (folder / "harbour" / attack.file).write_bytes(attack.data)
    (folder / "vault" / "vault.md").write_text(VAULT)
    with Writer(say=obeying) as writer:
        collections = {name: [folder / name] for name in ("harbour", "vault")}
        served = prepared(folder / "data", writer.url, collections, spec=BY_WORDS + WRITTEN)
        served.shell(CLOSE)
        with served:
            yield served


def test_no_request_leaves_and_nothing_runs(browser: Browser, harbour: Served) -> None:
    context = browser.new_context(base_url=harbour.url)
    page = context.new_page()
    page.set_default_timeout(30_000)
    asked: list[str] = []
    opened: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (opened.append(dialog.message), dialog.dismiss()))
    context.on("page", lambda new: opened.append(new.url))
    for attack in SET:
        page.goto("/ask?q=" + attack.question.replace(" ", "+"))
        page.wait_for_selector("[data-answer-url]")
        whole = page.evaluate(OURS)
        address = re.search(r'data-answer-url="([^"]+)"', whole)
        assert address and page.url == harbour.url + address[1], attack.name
        assert foreign(f"<div>{whole}</div>") == [], attack.name
        assert CANARY not in page.content(), attack.name
        assert page.evaluate("window.owned") is None, attack.name
        written = page.inner_html(".answer, .verdict")
        page.goto(address[1])
        assert page.inner_html(".answer, .verdict") == written, attack.name
    context.close()
    assert [url for url in asked if not url.startswith((harbour.url, "data:"))] == []
    assert opened == [] and len(asked) > 2 * len(SET)
    assert Path(harbour.folder / "log").exists() and "broke" not in harbour.log
