"""A live server with a real cross-encoder, three documents, and a key: what clients are pointed at."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from rag.models import ModelStore
from search_app import keys, pipelines
from tests.search_app.conftest import LIGHT, folder, fresh_rates, ingest, light

__all__ = ["folder", "fresh_rates", "ingest", "light"]

ROOT = Path(__file__).resolve().parents[2] / "integrations"
sys.path[:0] = [str(ROOT / "langchain"), str(ROOT / "llama_index")]
NEEDED = ("cohere", "langchain_core", "llama_index", "mcp", "openai")
RERANKING = """
[rerank]
backend = "onnx"
model = "ms-marco-MiniLM-L-12-v2-int8"
depth = 10
budget_ms = 10000
required = false
"""
QUOTING = """
[generate]
backend = "extractive"
model = "ms-marco-MiniLM-L-12-v2-int8"
threshold = 0.0
max_sentences = 3
budget_ms = 20000
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    for item in items:
        if item.get_closest_marker("integrations") and missing:
            item.add_marker(pytest.mark.skip(reason=f"no {missing[0]} here: make setup-integrations"))


@dataclass(frozen=True)
class Site:
    url: str
    key: str

    @property
    def where(self) -> dict[str, Any]:
        return {"url": self.url, "key": self.key}


@pytest.fixture
def site(
    transactional_db: None,
    live_server: Any,
    ingest: Callable[..., object],
    folder: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    monkeypatch.setattr(pipelines, "store", lambda: ModelStore(settings.MODEL_DIR))
    (settings.SPEC_DIR / "light.toml").write_text(LIGHT + RERANKING)
    pipelines.forget()
    ingest(folder)
    _, key = keys.make(User.objects.create_user("program"), "test", ["search"])
    return Site(str(live_server), key)


@pytest.fixture
def quoting(site: Site, settings: Any) -> None:
    """The site's pipeline quotes answers, too."""
    (settings.SPEC_DIR / "light.toml").write_text(LIGHT + RERANKING + QUOTING)
    pipelines.forget()
