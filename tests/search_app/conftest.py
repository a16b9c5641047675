"""An application of its own for each test: database, index, and pipelines that need no model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from rag.parse.select import parse
from search_app import pipelines, services, sources
from search_app.ingest_results import Report
from search_app.ingesting import Ingest

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
    pipelines.forget()
    yield
    pipelines.forget()


@pytest.fixture
def ingest(light: None) -> Callable[..., Report]:
    """Bring paths into a collection, parsing in this process; gives the report."""

    def run(*paths: Path, collection: str = "notes", parse: Callable = parse) -> Report:
        spec = pipelines.default()
        encoder = pipelines.encoder(spec)
        into = services.collection(collection)
        writer = pipelines.writer(encoder)
        try:
            return Ingest(
                collection=into,
                parse=parse,
                encoder=encoder,
                split=spec.split,
                reader=pipelines.reader(encoder),
                writer=writer,
                group_passages=8,
                group_seconds=5.0,
            ).run(sources.find(paths))
        finally:
            writer.close()

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
