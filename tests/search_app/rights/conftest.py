"""A whole application without a model: passages are found by hashing, answers are quoted by shared words."""

from collections.abc import Sequence

import pytest

from rag.types import Scores
from search_app import pipelines
from tests.search_app.conftest import KEPT_ORDER, LIGHT, InProcess
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
def answering(light: None, settings: object) -> None:
    """The light pipeline with a generator, twenty candidates a leg, no throttle, and one that reranks."""
    spec = LIGHT.replace("depth = 100", "depth = 20") + ANSWERING
    (settings.SPEC_DIR / "light.toml").write_text(spec)
    (settings.SPEC_DIR / "kept.toml").write_text(LIGHT + KEPT_ORDER)
    settings.API_RATE_KEY = settings.API_RATE_USER = settings.API_RATE_ANONYMOUS = "1000000/minute"
    pipelines.backends().once(("rerank", "onnx", "words"), Words)


@pytest.fixture
def worker(answering: None, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(pipelines, "ParserPool", InProcess)
    return Worker()
