"""The judge that weighs the best sentence and the best cosine."""

import time
from collections.abc import Sequence

import pytest

from rag.backends import Backends
from rag.errors import GenerationUnavailable, RerankUnavailable
from rag.generate.extractive import ExtractiveGenerator
from rag.models import ModelStore
from rag.refuse.evidence import LEAST, NEAR, EvidenceJudge, build, likely
from rag.rerank import onnx
from rag.rerank.cache import CachedReranker, MemoryScores
from rag.rerank.pairs import PairReranker
from rag.spec import RefuseSpec
from rag.types import Candidate, Passage, Ranking, Scores
from tests import models
from tests.contracts.generator import CONTEXT, QUESTION
from tests.rag.build import passage

THRESHOLD = 0.25


class Words:
    """Scores a text by how many words of the question it holds: 4 a word, less 10."""

    fingerprint = "words"

    def __init__(self) -> None:
        self.asked = 0

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        if time.monotonic() >= deadline:
            raise RerankUnavailable("No time left.")
        self.asked += len(texts)
        words = query.casefold().strip("?").split()
        values = [4.0 * sum(f" {word}" in f" {text.casefold()}" for word in words) - 10 for text in texts]
        return Scores("logit", tuple(values), 1.0)


def near(cosine: float, context: Sequence[Passage] = CONTEXT) -> Ranking:
    return Ranking("knn", "cosine", tuple(Candidate(p, cosine - i / 10) for i, p in enumerate(context)))


def weigh(
    question: str, context: Sequence[Passage], rankings: Sequence[Ranking] = (), seconds: float = 9
) -> tuple[float, dict[str, float]]:
    judge = EvidenceJudge(Words())
    confidence = judge.weigh(question, context, rankings, deadline=time.monotonic() + seconds)
    assert 0 <= confidence.value <= 1
    return confidence.value, dict(confidence.features)


def test_what_was_weighed_is_said() -> None:
    context = [passage(text="The ferry is red. Fish is sold.")]
    value, features = weigh("ferry red big", context, [near(0.8, context)])
    assert features == {"sentence": -2.0, "cosine": 0.8}  # ferry and red: 2 x 4 - 10
    assert value == pytest.approx(likely(-2.0, 0.8))


def test_more_evidence_is_never_less_likely() -> None:
    steps = [-12.0, -5.0, 0.0, 5.0, 11.0]
    assert sorted(steps, key=lambda logit: likely(logit, 0.7)) == steps
    assert likely(0.0, 0.9) >= likely(0.0, 0.5)
    assert 0 <= likely(-1e9, -1.0) < likely(1e9, 1.0) <= 1


def test_the_best_sentence_of_any_passage_counts() -> None:
    both = [passage("a", text="Fish is sold."), passage("b", text="Nothing here. The big red ferry.")]
    assert weigh("big red ferry", both)[1]["sentence"] == 2.0
    assert weigh("big red ferry", both[::-1])[1]["sentence"] == 2.0


def test_without_a_search_by_meaning_a_usual_cosine_stands_in() -> None:
    words = Ranking("bm25", "bm25", (Candidate(CONTEXT[0], 12.0),))
    assert weigh(QUESTION, CONTEXT, [words])[1]["cosine"] == NEAR


@pytest.mark.parametrize("text", ["", " \n", "--- *** ---"])
def test_passages_without_a_word_answer_nothing(text: str) -> None:
    value, features = weigh(QUESTION, [passage(text=text)])
    assert features["sentence"] == LEAST
    assert value < THRESHOLD


@pytest.mark.parametrize("question", ["", "\ud800", "船は何時？", "x" * 10_000, "\u202e\U000e0041"])
def test_odd_questions_are_no_error(question: str) -> None:
    weigh(question, CONTEXT)


def test_time_that_is_over_is_said() -> None:
    with pytest.raises(GenerationUnavailable, match="No time left"):
        weigh(QUESTION, CONTEXT, seconds=-1)


def test_what_was_not_scored_does_not_count() -> None:
    class Half(Words):
        def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
            whole = super().score_texts(query, texts, deadline=deadline)
            return Scores(whole.kind, (*whole.values[:1], *(None for _ in whole.values[1:])), 1.0)

    context = [passage(text="Fish is sold. The big red ferry.")]
    found = EvidenceJudge(Half()).weigh("big red ferry", context, (), deadline=time.monotonic() + 9)
    assert found.features["sentence"] == -10.0


def test_a_cache_of_scores_spares_the_generator_the_same_work() -> None:
    words = Words()
    cached = CachedReranker(_Reranker(words), MemoryScores(1000), b"secret")
    EvidenceJudge(cached).weigh(QUESTION, CONTEXT, (), deadline=time.monotonic() + 9)
    before = words.asked
    generator = ExtractiveGenerator(cached, threshold=0.0, max_sentences=3)
    assert list(generator.stream(QUESTION, CONTEXT, deadline=time.monotonic() + 9))
    assert words.asked == before > 0


class _Reranker:
    """`Words` with the other half of the protocol."""

    fingerprint = "words"

    def __init__(self, words: Words) -> None:
        self.words = words

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        return self.words.score_texts(query, [p.search_text for p in passages], deadline=deadline)

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        return self.words.score_texts(query, texts, deadline=deadline)


def test_a_spec_builds_it() -> None:
    def load(kind: str, backend: str, model: str) -> Words:
        assert (kind, backend, model) == ("rerank", "onnx", "m")
        return Words()

    judge = build(RefuseSpec(backend="evidence", model="m", threshold=0.2, budget_ms=9), load)
    assert judge.fingerprint.endswith(":words")


@pytest.fixture(scope="module")
def reranker() -> PairReranker:
    return onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), threads=2)


@pytest.mark.models
def test_with_the_model_what_is_there_is_likelier_than_what_is_not(reranker: PairReranker) -> None:
    judge = EvidenceJudge(reranker)
    there = judge.weigh(QUESTION, CONTEXT, [near(0.75)], deadline=time.monotonic() + 60).value
    foreign = judge.weigh(
        "Who wrote the opera about the moon?", CONTEXT, [near(0.5)], deadline=time.monotonic() + 60
    ).value
    assert foreign < THRESHOLD < there


@pytest.mark.models
def test_the_backends_find_it_by_its_name() -> None:
    parts = Backends(ModelStore(models.folder(models.CROSS_ENCODER).parent).path)
    spec = RefuseSpec(backend="evidence", model=models.CROSS_ENCODER, threshold=0.2, budget_ms=900)
    assert parts.part("refuse", spec).fingerprint.startswith("evidence:")
