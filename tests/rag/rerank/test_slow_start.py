"""A process that begins in a slow moment of its machine."""

import time
from collections.abc import Sequence

from rag.errors import RerankUnavailable
from rag.rerank.base import Pair
from rag.rerank.pairs import PairReranker
from rag.types import ScoreKind


class SlowAtFirst:
    """Two runs take a fifth of a second each, every later one nothing."""

    fingerprint, precision, lanes, batch_tokens = "slow", "float32", 1, 1
    kind: ScoreKind = "logit"

    def __init__(self) -> None:
        self.runs = 0

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        return [Pair(100, text) for text in texts]

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        self.runs += 1
        time.sleep(0.2 if self.runs <= 2 else 0)
        return [1.0] * len(pairs)


def test_it_is_found_quick_again() -> None:
    reranker = PairReranker(SlowAtFirst())
    refused = 0
    for _ in range(20):
        try:
            scores = reranker.score_texts("q", ["a", "b"], deadline=time.monotonic() + 0.1)
        except RerankUnavailable:
            refused += 1
        else:
            break
    assert 1 <= refused <= 10
    assert scores.values[0] == 1.0
