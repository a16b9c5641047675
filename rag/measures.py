"""Measures of retrieval, as trec_eval computes them. A run is document ids, best first; qrels id → grade."""

import math
from collections.abc import Mapping, Sequence


def ndcg(run: Sequence[str], qrels: Mapping[str, int], k: int = 10) -> float:
    """nDCG@k with the grade as gain (Järvelin and Kekäläinen 2002): 1 is the ideal order."""
    gains = [max(qrels.get(document, 0), 0) for document in run[:k]]
    ideal = sorted((grade for grade in qrels.values() if grade > 0), reverse=True)[:k]
    best = _dcg(ideal)
    return _dcg(gains) / best if best else 0.0


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def reciprocal_rank(run: Sequence[str], qrels: Mapping[str, int], k: int = 10) -> float:
    """RR@k: 1 / rank of the first relevant document, 0 when none is among the first k."""
    ranks = (rank for rank, document in enumerate(run[:k], start=1) if qrels.get(document, 0) > 0)
    return 1.0 / next(ranks, math.inf)


def recall(run: Sequence[str], qrels: Mapping[str, int], k: int = 100) -> float:
    """R@k: share of the relevant documents among the first k."""
    relevant = {document for document, grade in qrels.items() if grade > 0}
    return len(relevant.intersection(run[:k])) / len(relevant) if relevant else 0.0
