import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.blend import order_so_far, standardised, with_reranker
from rag.spec import BlendSpec
from rag.types import Ranking, ScoreKind
from tests.rag.build import order, passage, ranking

WEIGHTS = BlendSpec(bm25=0.3, knn=0.3, late=0.4, reranked=0.3)
SO_FAR = ranking("final", "blend", a=4.0, b=3.0, c=2.0, d=1.0)


def with_logits(so_far: Ranking, logits: dict[str, float], weight: float) -> Ranking:
    return with_reranker(so_far, so_far.scores(), logits, "logit", weight)


def pid(name: str) -> str:
    return f"{name}:1:0"


def test_voices_are_standardised_before_they_are_added() -> None:
    passages = {pid(n): passage(n) for n in "ab"}
    voices = {"bm25": {pid("a"): 1000.0, pid("b"): 0.0}, "knn": {pid("a"): 0.1, pid("b"): 0.2}}
    blend = order_so_far(passages, voices, WEIGHTS)
    assert [c.score for c in blend.candidates] == pytest.approx([0.0, 0.0])  # equal weights cancel out


def test_what_the_cross_encoder_did_not_score_stays_below_in_its_order() -> None:
    final = with_logits(SO_FAR, {pid("a"): -8.0, pid("b"): 9.0}, 0.9)
    assert order(final) == ["b", "a", "c", "d"]
    scores = [c.score for c in final.candidates]
    assert scores == sorted(scores, reverse=True)
    assert scores[2] - scores[3] == pytest.approx(1.0)  # distances among the rest are unchanged


def test_by_hand() -> None:
    # z-scores of the logits 0, 2: -1, 1; so far 4 and 3
    final = with_logits(SO_FAR, {pid("a"): 0.0, pid("b"): 2.0}, 0.6)
    assert [c.score for c in final.candidates[:2]] == pytest.approx([3.6, 3.4])
    assert order(final) == ["b", "a", "c", "d"]
    assert order(with_logits(SO_FAR, {pid("a"): 0.0, pid("b"): 2.0}, 0.4)) == ["a", "b", "c", "d"]


def test_weight_nought_keeps_the_order() -> None:
    logits = {pid("a"): 0.0, pid("b"): 1.0, pid("c"): 2.0, pid("d"): 3.0}
    assert order(with_logits(SO_FAR, logits, 0.0)) == ["a", "b", "c", "d"]


def test_one_scored_candidate_changes_nothing() -> None:
    assert order(with_logits(SO_FAR, {pid("a"): -11.0}, 0.3)) == ["a", "b", "c", "d"]
    assert with_logits(SO_FAR, {}, 0.3) is SO_FAR


LOGITS = {"a": -3.0, "b": 0.5, "c": 0.5, "d": 4.0}


def test_a_probability_says_what_its_logit_says() -> None:
    sigmoids = {name: 1 / (1 + math.exp(-x)) for name, x in LOGITS.items()}
    assert standardised(sigmoids, "probability") == pytest.approx(standardised(LOGITS, "logit"))
    sure = standardised({"a": 0.0, "b": 0.5, "c": 1.0}, "probability")
    assert sure == pytest.approx({"a": -(1.5**0.5), "b": 0.0, "c": 1.5**0.5})


def test_of_an_ordinal_score_only_the_place_counts() -> None:
    assert standardised({"a": 1.0, "b": 2.0, "c": 3.0}, "ordinal") == pytest.approx(
        standardised({"a": -70.0, "b": 0.1, "c": 900.0}, "ordinal")
    )
    by_hand = standardised({"a": 9.0, "b": 5.0, "c": 5.0}, "ordinal")  # places 2.5, 1, 1 of 3
    assert by_hand == pytest.approx({"a": 2**0.5, "b": -(0.5**0.5), "c": -(0.5**0.5)})


@given(
    st.sampled_from(get_args(ScoreKind)),
    st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=20),
)
def test_every_kind_of_score_is_standardised_and_keeps_its_order(
    kind: ScoreKind, scores: dict[str, float]
) -> None:
    z = standardised(scores, kind)
    assert z.keys() == scores.keys()
    assert all(map(math.isfinite, z.values()))
    assert sum(z.values()) == pytest.approx(0, abs=1e-6)
    for one in scores:
        for other in scores:
            if scores[one] <= scores[other]:
                assert z[one] <= z[other] + 1e-9


def test_scores_of_two_stages_never_meet() -> None:
    """A finer score replaces the coarse one; how large either was in itself decides nothing."""
    coarse = {pid("a"): 900.0, pid("b"): 100.0, pid("c"): 1000.0}
    fine = {pid("c"): 0.001, pid("b"): 0.002}
    base = SO_FAR.scores()
    first = with_reranker(SO_FAR, base, coarse, "relevance", 1.0)
    assert order(first) == ["a", "c", "b", "d"]
    final = with_reranker(first, base, fine, "logit", 1.0)
    assert order(final) == ["b", "c", "a", "d"]
    larger = with_reranker(first, base, {name: 1e6 * score for name, score in fine.items()}, "logit", 1.0)
    assert [c.score for c in larger.candidates] == pytest.approx([c.score for c in final.candidates])
