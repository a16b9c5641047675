"""The verifier that asks a cross-encoder."""

import math
import time
from collections.abc import Sequence

import pytest

from rag.answers import Answer
from rag.errors import GenerationUnavailable, RerankUnavailable
from rag.rerank import onnx
from rag.rerank.pairs import PairReranker
from rag.types import Scores
from rag.verify.relevance import RelevanceVerifier
from tests import models
from tests.contracts.verifier import CONTEXT, QUESTION, VerifierContract, check
from tests.rag.build import passage


class Words:
    """Scores a text by the words it shares with the sentence: 10 for all of them, -10 for none."""

    fingerprint = "words"

    def __init__(self, most: int = 1000) -> None:
        self.most = most

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        words = set(query.casefold().replace(".", "").split())
        shared = [len(words & set(t.casefold().replace(".", "").split())) / max(len(words), 1) for t in texts]
        values = [20 * share - 10 if i < self.most else None for i, share in enumerate(shared)]
        return Scores("logit", tuple(values), 1.0)


@pytest.fixture(scope="module")
def reranker() -> PairReranker:
    return onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), threads=2)


class TestWithWords(VerifierContract):
    @pytest.fixture
    def verifier(self) -> RelevanceVerifier:
        return RelevanceVerifier(Words(), 0.0)


@pytest.mark.models
class TestWithTheModel(VerifierContract):
    @pytest.fixture
    def verifier(self, reranker: PairReranker) -> RelevanceVerifier:
        return RelevanceVerifier(reranker, 0.0)


def test_the_best_sentence_counts() -> None:
    (one,) = check(RelevanceVerifier(Words(), 0.0), "It flashes at night [1].")
    assert (one.verdict, one.score) == ("supported", 5.0)  # "at night", of four words, and "it"


def test_what_was_not_scored_in_time_is_unchecked_unless_enough_was() -> None:
    assert check(RelevanceVerifier(Words(most=1), 0.0), "It flashes at night [1].")[0].verdict == "unchecked"
    (one,) = check(RelevanceVerifier(Words(most=2), 0.0), "It flashes at night [1].")
    assert one.verdict == "supported"


def test_a_cross_encoder_that_fails_is_said() -> None:
    class Failing(Words):
        def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
            raise RerankUnavailable("The model is gone.")

    with pytest.raises(GenerationUnavailable, match="The model is gone"):
        RelevanceVerifier(Failing(), 0.0).check(
            QUESTION, Answer("It rains [1].", (), "answered"), CONTEXT, deadline=time.monotonic() + 9
        )


def test_a_passage_without_a_sentence_carries_nothing() -> None:
    checks = RelevanceVerifier(Words(), -50.0).check(
        QUESTION,
        Answer("It rains [1].", (), "answered"),
        [(1, passage(text="---"))],
        deadline=time.monotonic() + 9,
    )
    assert checks[0].verdict == "unsupported"
    assert checks[0].score == -math.inf or checks[0].score is None
