"""Windows over a reranker that counts words, and over the real cross-encoder."""

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.encode.hashing import HashingEncoder
from rag.errors import RerankUnavailable
from rag.rerank import onnx
from rag.rerank.base import ByText, Reranker
from rag.rerank.windows import windowed
from rag.types import Passage, Scores, Spent
from tests import models
from tests.contracts.reranker import RerankerContract
from tests.rag.build import passage

ENCODER = HashingEncoder()


class Counting(ByText):
    """A score is how often the text has the question; after `reads` texts its time is over."""

    fingerprint = "counting"

    def __init__(self, reads: int = 10**6, broken: Sequence[float] | None = None) -> None:
        self.reads, self.broken = reads, broken
        self.read: list[str] = []

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        self.read = list(texts)
        if self.broken is not None:
            return Scores("logit", tuple(self.broken), 0.0)
        values = [float(text.count(query)) for text in texts[: self.reads]]
        rest: list[float | None] = [None] * (len(texts) - len(values))
        return Scores("logit", tuple(values + rest), 1.0, Spent(texts=len(values)))


def long(words: str, **changes: object) -> Passage:
    text = str(changes.pop("text", words))
    tokens = len(ENCODER.offsets(" ".join([str(changes.get("title", "")), text])))
    return passage("long", text=text, tokens=tokens, **changes)


def scored(reranker: Reranker, *passages: Passage, query: str = "gull") -> Scores:
    return reranker.score(query, passages, deadline=time.monotonic() + 60)


def test_the_best_window_counts_and_the_cost_is_told() -> None:
    words = [f"w{i}" for i in range(100)]
    words[95] = words[97] = "gull"
    inner = Counting()
    reranker = windowed(inner, ENCODER.offsets, tokens=40, overlap=10)
    scores = scored(reranker, passage(text="one gull", tokens=2), long(" ".join(words)))
    assert scores.values == (1.0, 2.0)
    assert [len(text.split()) for text in inner.read] == [2, 40, 40, 40]
    assert inner.read[1].split()[-10:] == inner.read[2].split()[:10]
    assert inner.read[3].split()[-1] == "w99"
    assert (scores.spent.texts, scores.spent.windows) == (4, 3)


def test_each_window_stands_under_title_and_headings() -> None:
    inner = Counting()
    reranker = windowed(inner, ENCODER.offsets, tokens=20, overlap=5)
    scored(reranker, long("word " * 40, title="Harbour", headings=("Birds",)))
    assert len(inner.read) > 2
    assert all(text.startswith("Harbour > Birds\n") for text in inner.read)
    assert all(len(ENCODER.offsets(text)) <= 20 for text in inner.read)


def test_a_passage_that_was_read_in_part_has_no_score() -> None:
    three = long("gull " * 100)
    reranker = windowed(Counting(reads=2), ENCODER.offsets, tokens=40, overlap=10)
    assert scored(reranker, passage(text="gull", tokens=1), three).values == (1.0, None)
    with pytest.raises(RerankUnavailable, match="to its end"):
        scored(reranker, three)


@pytest.mark.parametrize("broken", [[1.0, 2.0], [1.0, math.nan, 2.0], [1.0, 2.0, math.inf]])
def test_scores_that_cannot_be_used_are_not_hidden_by_a_better_window(broken: list[float]) -> None:
    reranker = windowed(Counting(broken=broken), ENCODER.offsets, tokens=40, overlap=10)
    with pytest.raises(RerankUnavailable, match="cannot be used"):
        scored(reranker, long("gull " * 100))


@given(st.integers(1, 300), st.integers(2, 64), st.data())
def test_every_word_is_read_and_no_window_is_longer(words: int, tokens: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, tokens - 1))
    inner = Counting()
    reranker = windowed(inner, ENCODER.offsets, tokens=tokens, overlap=overlap)
    scored(reranker, long(" ".join(f"w{i}" for i in range(words))))
    assert {word for text in inner.read for word in text.split()} == {f"w{i}" for i in range(words)}
    if words > tokens:
        assert max(len(ENCODER.offsets(text)) for text in inner.read) <= tokens
    assert len(set(inner.read)) == len(inner.read)


@pytest.fixture(scope="module")
def cross_encoder() -> onnx.PairReranker:
    return onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER))


@pytest.mark.models
class TestWindowed(RerankerContract):
    @pytest.fixture
    def reranker(self, cross_encoder: onnx.PairReranker) -> Reranker:
        return windowed(cross_encoder, ENCODER.offsets, tokens=12, overlap=4)


@pytest.mark.models
def test_an_answer_at_the_end_is_found_by_the_cross_encoder_too(cross_encoder: onnx.PairReranker) -> None:
    text = "The market sells fish and bread every day. " * 120 + "The ferry leaves at seven in the morning."
    question = "When does the ferry leave?"
    whole = scored(cross_encoder, long(text), query=question).values[0]
    best = scored(
        windowed(cross_encoder, ENCODER.offsets, tokens=60, overlap=15), long(text), query=question
    ).values[0]
    assert whole is not None and best is not None
    assert best > whole + 5
