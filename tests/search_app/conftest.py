"""An application of its own for each test: database, index, and pipelines that need no model."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import caches

from rag.parse.base import ParsedDocument
from rag.parse.select import parse
from search_app import bringing, pipelines, services, sources
from search_app.bringing import Brought

LIGHT = """
[encoder]
backend = "hashing"
model = "hashing"
[split]
max_tokens = 64
overlap_tokens = 8
[fuse]
method = "rrf"
depth = 100
bm25 = 0.5
knn = 0.5
[blend]
bm25 = 0.5
knn = 0.5
late = 0.0
reranked = 0.0
[context]
top = 5
max_tokens = 2000
"""

KEPT_ORDER = """
[rerank]
backend = "identity"
model = "kept"
depth = 10
budget_ms = 1000
required = false
"""
"""What may stand after `LIGHT`."""


@pytest.fixture(autouse=True)
def fresh_rates() -> None:
    """No test's requests count against the rates of the next one."""
    caches["rates"].clear()


@pytest.fixture
def light(tmp_path: Path, settings: object, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hashing encoder, no reranker, no generator; index and specs in a folder of the test."""
    monkeypatch.setattr(pipelines, "store", lambda: SimpleNamespace(path=lambda name: tmp_path))
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "light.toml").write_text(LIGHT)
    settings.SPEC_DIR = specs
    settings.DEFAULT_PIPELINE = "light"
    settings.INDEX_DIR = tmp_path / "index"
    settings.CONTENT_DIR = tmp_path / "contents"
    settings.INGEST_GROUP_PASSAGES = 8
    pipelines.forget()
    yield
    pipelines.forget()


REWRITE = """
[rewrite]
backend = "rule"
model = ""
budget_ms = 100
"""


@pytest.fixture
def understanding(light: None, settings: Any) -> None:
    """The same pipeline, which understands a question with those before it, and quotation marks."""
    text = LIGHT.replace("knn = 0.5\n[blend]", "knn = 0.5\nphrases = true\n[blend]") + REWRITE
    (settings.SPEC_DIR / "light.toml").write_text(text)


class InProcess:
    """Parses here, where the application has a child process for it."""

    def __init__(self, parse: Callable[[bytes, str], ParsedDocument] = parse) -> None:
        self._parse = parse

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, data: bytes, name: str) -> "Future[ParsedDocument]":
        future: Future[ParsedDocument] = Future()
        try:
            future.set_result(self._parse(data, name))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture
def ingest(light: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Brought]:
    """Bring paths into a collection, parsing in this process; gives what became of them."""

    def run(*paths: Path, collection: str = "notes", parse: Callable = parse) -> Brought:
        with monkeypatch.context() as patched:
            patched.setattr(pipelines, "ParserPool", lambda: InProcess(parse))
            return bringing.bring(services.collection(collection), sources.find(paths))

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three small documents in two formats and a sub-folder."""
    base = tmp_path / "notes"
    (base / "sub").mkdir(parents=True)
    (base / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at nine from the north pier.\n")
    (base / "sub" / "lighthouse.txt").write_text("The lighthouse was built of granite in 1836.\n")
    (base / "prices.csv").write_text("item,price\nticket,12\nbicycle,5\n")
    return base
