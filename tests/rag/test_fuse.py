import pytest

from rag.fuse import completed, fuse, minmax, rrf, weighted_sum, zscore
from tests.rag.build import order, ranking

BM25 = ranking("bm25", a=9.0, b=6.0, c=3.0)
KNN = ranking("knn", "cosine", c=0.9, a=0.8, d=0.4)


def test_rrf_by_hand() -> None:
    fused = rrf([BM25, KNN])
    scores = {c.passage.document_id: c.score for c in fused.candidates}
    assert scores["a"] == pytest.approx(1 / 61 + 1 / 62)
    assert scores["c"] == pytest.approx(1 / 63 + 1 / 61)
    assert scores["b"] == pytest.approx(1 / 62)
    assert scores["d"] == pytest.approx(1 / 63)
    assert order(fused) == ["a", "c", "b", "d"]


def test_missing_candidates_take_the_lowest_score() -> None:
    assert completed({"a": 9.0, "b": 3.0}, ["a", "b", "d"]) == {"a": 9.0, "b": 3.0, "d": 3.0}
    assert completed({}, ["a"]) == {"a": 0.0}


def test_minmax_by_hand() -> None:
    # bm25 over a b c d: 1, .5, 0, 0; knn: .8, 0, 1, 0
    fused = fuse([BM25, KNN], "minmax", {"bm25": 0.5, "knn": 0.5})
    scores = {c.passage.document_id: c.score for c in fused.candidates}
    assert scores == pytest.approx({"a": 0.9, "c": 0.5, "b": 0.25, "d": 0.0})
    assert fused.kind == "minmax"


def test_zscore_by_hand() -> None:
    z = zscore({"a": 1.0, "b": 2.0, "c": 3.0})
    assert z == pytest.approx({"a": -1.2247449, "b": 0.0, "c": 1.2247449})
    fused = fuse([BM25], "zscore", {"bm25": 0.5, "knn": 0.5})
    assert [c.score for c in fused.candidates] == pytest.approx([1.2247449, 0.0, -1.2247449])


@pytest.mark.parametrize("standardise", [zscore, minmax])
def test_equal_scores_and_nothing(standardise) -> None:  # type: ignore[no-untyped-def]
    assert standardise({"a": 5.0, "b": 5.0}) == {"a": 0.0, "b": 0.0}
    assert standardise({}) == {}


def test_a_silent_voice_leaves_its_weight_to_the_others() -> None:
    alone = weighted_sum({"bm25": {"a": 2.0, "b": 1.0}}, {"bm25": 0.3}, ["a", "b"])
    beside_silence = weighted_sum(
        {"bm25": {"a": 2.0, "b": 1.0}, "late": {}}, {"bm25": 0.3, "late": 0.7}, ["a", "b"]
    )
    assert alone == beside_silence == pytest.approx({"a": 1.0, "b": -1.0})


@pytest.mark.parametrize("method", ["rrf", "minmax", "zscore"])
def test_laws(method: str) -> None:
    weights = {"bm25": 0.5, "knn": 0.5}
    both = fuse([BM25, KNN], method, weights)
    assert sorted(order(both)) == ["a", "b", "c", "d"]
    assert order(fuse([KNN, BM25], method, weights)) == order(both)
    assert order(fuse([BM25], method, weights)) == order(BM25)
    assert fuse([], method, weights).candidates == ()


def test_ties_stand_in_order_of_passage_id() -> None:
    assert order(ranking("bm25", z=1.0, b=1.0, m=1.0)) == ["b", "m", "z"]


def test_unknown_method_is_named() -> None:
    with pytest.raises(ValueError, match="no fusion method 'borda'"):
        fuse([BM25], "borda", {})
