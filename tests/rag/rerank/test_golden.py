import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from rag.errors import RerankUnavailable
from rag.rerank import golden, onnx
from rag.rerank.base import ByText
from rag.types import ScoreKind, Scores, Spent
from tests import models

MODEL = "ms-marco-MiniLM-L-12-v2"
PAIRS = golden.golden()
FLOATS, INT8 = (PAIRS.scores[MODEL][precision] for precision in ("float32", "int8"))
FIXED = dict(zip([(q, text) for q, texts in PAIRS.questions for text in texts], FLOATS, strict=True))


def test_there_are_fifty_pairs_and_as_many_scores() -> None:
    assert len(FIXED) == len(FLOATS) == len(INT8) == 50


def test_int8_ranks_the_pairs_as_floats_do() -> None:
    places = [np.argsort(np.argsort(scores)) for scores in (FLOATS, INT8)]
    assert np.corrcoef(*places)[0, 1] > 0.99
    assert max(abs(a - b) for a, b in zip(FLOATS, INT8, strict=True)) < 1.3
    assert golden.compare(INT8, model=MODEL, kind="relevance", precision="float32") != ""


@dataclass
class Scripted(ByText):
    """Gives the fixed scores, as the fault says."""

    fault: Callable[[list[float]], Sequence[float | None]] = list
    kind: ScoreKind = "logit"
    precision: str = "float32"
    fingerprint: str = f"{MODEL}:0123456789ab:logit"

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        assert deadline > time.monotonic()
        values = self.fault([FIXED[query, text] for text in texts])
        return Scores(self.kind, tuple(values), 0.0, Spent(precision=self.precision))


def sigmoid(logits: Sequence[float]) -> list[float]:
    return [1 / (1 + math.exp(-logit)) for logit in logits]


def test_the_fixed_scores_pass_in_every_kind() -> None:
    assert golden.check(Scripted()) == ""
    assert golden.check(Scripted(sigmoid, kind="probability")) == ""
    assert golden.check(Scripted(lambda logits: [logit / 100 for logit in logits], kind="relevance")) == ""


def test_a_tolerance_belongs_to_a_precision() -> None:
    def off(logits: list[float]) -> list[float]:
        return [logit + 0.1 for logit in logits]

    assert golden.check(Scripted(off, precision="bfloat16 on cuda:0")) == ""
    assert golden.check(Scripted(off, precision="")) == ""
    assert "of 50 a logit of" in golden.check(Scripted(off, precision="float32 on cuda:0"))
    assert "may be off by 0.05 in float16" in golden.check(Scripted(off, precision="float16"))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda logits: [*logits[:-1], math.nan], "golden pair 5 of 50 the score nan"),
        (lambda logits: [*logits[:-1], None], "golden pair 5 of 50 the score None"),
        (lambda logits: logits[:-1], "40 scores for 50 golden pairs"),
        (lambda logits: [-logit for logit in logits], "may be off by 0.02"),
    ],
)
def test_wrong_scores_are_found_out(fault: Callable[[list[float]], list[float | None]], says: str) -> None:
    assert says in golden.check(Scripted(fault))
    assert golden.check(Scripted(fault), model=MODEL).endswith(".")


def test_a_score_on_another_scale_must_rank_the_pairs_alike() -> None:
    upside_down = Scripted(lambda logits: [-logit for logit in logits], kind="relevance")
    assert "above pair" in golden.check(upside_down)
    assert golden.check(Scripted(kind="probability")).startswith("It gives golden pair")


def test_one_that_fails_is_refused_with_its_own_reason() -> None:
    def fail(logits: list[float]) -> list[float]:
        raise RerankUnavailable("The card is gone.")

    assert golden.check(Scripted(fail)).endswith("The card is gone.")


def test_a_model_without_fixed_scores_must_score_by_the_text_alone() -> None:
    assert golden.check(Scripted(fingerprint="another")) == ""
    assert "in another" in golden.check(Scripted(lambda logits: [*range(len(logits))], fingerprint="another"))
    assert "the score inf" in golden.check(
        Scripted(lambda logits: [*logits[1:], math.inf], fingerprint="another")
    )


@pytest.mark.models
def test_the_int8_file_gives_its_fixed_scores() -> None:
    reranker = onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER))
    assert golden.check(reranker) == ""


@pytest.mark.models
def test_another_model_under_the_name_is_refused() -> None:
    reranker = onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER))
    reranker.model._tokenizer.enable_truncation(128, strategy="only_second")  # as good as other files
    assert "the model's files are others" in golden.check(reranker)
