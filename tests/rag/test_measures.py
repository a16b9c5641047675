import random

import ir_measures
import pytest
from ir_measures import RR, R, ScoredDoc, nDCG

from rag.measures import ndcg, recall, reciprocal_rank


def test_by_hand() -> None:
    run, qrels = ["x", "a", "b"], {"a": 1, "b": 2, "c": 0}
    ideal = 2 / 1 + 1 / 1.5849625
    assert ndcg(run, qrels) == pytest.approx((1 / 1.5849625 + 2 / 2) / ideal)
    assert reciprocal_rank(run, qrels) == 0.5
    assert recall(run, qrels, 2) == 0.5
    assert ndcg([], qrels) == reciprocal_rank(["x"], qrels) == recall([], qrels) == 0.0


def test_agrees_with_trec_eval() -> None:
    draw = random.Random(7)
    for _ in range(30):
        documents = [f"d{i}" for i in range(150)]
        qrels = {d: draw.randint(0, 3) for d in draw.sample(documents, 20)} | {"d0": 1}
        run = draw.sample(documents, 120)
        scored = [ScoredDoc("q", d, float(-i)) for i, d in enumerate(run)]
        theirs = ir_measures.calc_aggregate([nDCG @ 10, RR @ 10, R @ 100], {"q": qrels}, scored)
        assert ndcg(run, qrels) == pytest.approx(theirs[nDCG @ 10])
        assert reciprocal_rank(run, qrels) == pytest.approx(theirs[RR @ 10])
        assert recall(run, qrels) == pytest.approx(theirs[R @ 100])
