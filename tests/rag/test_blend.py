import pytest

from rag.blend import order_so_far, with_cross_encoder
from rag.spec import BlendSpec
from tests.rag.build import order, passage, ranking

WEIGHTS = BlendSpec(bm25=0.3, knn=0.3, late=0.4, reranked=0.3)
SO_FAR = ranking("final", "blend", a=4.0, b=3.0, c=2.0, d=1.0)


def pid(name: str) -> str:
    return f"{name}:1:0"


def test_voices_are_standardised_before_they_are_added() -> None:
    passages = {pid(n): passage(n) for n in "ab"}
    voices = {"bm25": {pid("a"): 1000.0, pid("b"): 0.0}, "knn": {pid("a"): 0.1, pid("b"): 0.2}}
    blend = order_so_far(passages, voices, WEIGHTS)
    assert [c.score for c in blend.candidates] == pytest.approx([0.0, 0.0])  # equal weights cancel out


def test_what_the_cross_encoder_did_not_score_stays_below_in_its_order() -> None:
    final = with_cross_encoder(SO_FAR, {pid("a"): -8.0, pid("b"): 9.0}, 0.9)
    assert order(final) == ["b", "a", "c", "d"]
    scores = [c.score for c in final.candidates]
    assert scores == sorted(scores, reverse=True)
    assert scores[2] - scores[3] == pytest.approx(1.0)  # distances among the rest are unchanged


def test_by_hand() -> None:
    # z-scores of the logits 0, 2: -1, 1; so far 4 and 3
    final = with_cross_encoder(SO_FAR, {pid("a"): 0.0, pid("b"): 2.0}, 0.6)
    assert [c.score for c in final.candidates[:2]] == pytest.approx([3.6, 3.4])
    assert order(final) == ["b", "a", "c", "d"]
    assert order(with_cross_encoder(SO_FAR, {pid("a"): 0.0, pid("b"): 2.0}, 0.4)) == ["a", "b", "c", "d"]


def test_weight_nought_keeps_the_order() -> None:
    logits = {pid("a"): 0.0, pid("b"): 1.0, pid("c"): 2.0, pid("d"): 3.0}
    assert order(with_cross_encoder(SO_FAR, logits, 0.0)) == ["a", "b", "c", "d"]


def test_one_scored_candidate_changes_nothing() -> None:
    assert order(with_cross_encoder(SO_FAR, {pid("a"): -11.0}, 0.3)) == ["a", "b", "c", "d"]
    assert with_cross_encoder(SO_FAR, {}, 0.3) is SO_FAR
