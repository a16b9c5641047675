"""A whole application without a model: passages are found by hashing, answers are quoted by shared words."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rag.types import Scores
from search_app import pipelines
from tests.search_app.conftest import LIGHT
from tests.search_app.rights.indexing import Worker

ANSWERING = """
[generate]
backend = "extractive"
model = "words"
threshold = 0.5
max_sentences = 3
budget_ms = 3000
"""


class Words:
    """Scores a text by the words it shares with the question."""

    fingerprint = "words"

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        asked = set(query.lower().split())
        shared = tuple(float(len(asked & set(text.lower().split()))) for text in texts)
        return Scores("logit", shared, 0.0)


@pytest.fixture
def answering(light: None, settings: object, tmp_path: Path) -> None:
    """The light pipeline with a generator, twenty candidates a leg, contents in a folder of the test."""
    spec = LIGHT.replace("depth = 100", "depth = 20") + ANSWERING
    (settings.SPEC_DIR / "light.toml").write_text(spec)
    settings.CONTENT_DIR = tmp_path / "contents"
    settings.API_RATE_KEY = settings.API_RATE_USER = settings.API_RATE_ANONYMOUS = "1000000/minute"
    pipelines.backends().once(("rerank", "onnx", "words"), Words)


@pytest.fixture
def worker(answering: None) -> Iterator[Worker]:
    writer = pipelines.writer(pipelines.encoder(), wait_s=0.0)
    yield Worker(writer)
    writer.close()
