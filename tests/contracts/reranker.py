"""What every reranker must do. Subclass `RerankerContract` and give the fixture `reranker`."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from rag.errors import RerankUnavailable
from rag.rerank.base import Reranker
from rag.types import Passage
from tests.rag.build import passage

QUERY = "When does the ferry leave in the morning?"
PASSAGES = [
    passage("ferry", text="The ferry leaves at seven in the morning."),
    passage("light", text="The lighthouse flashes three times at night."),
    passage("ferry", 1, text="The ferry leaves at seven in the morning."),
    passage("fish", text="Fish is sold at the market. " * 30, title="The market", headings=("Fish",)),
]


def far() -> float:
    return time.monotonic() + 60


class RerankerContract:
    BY_TEXT: ClassVar[bool] = True
    """Whether a score follows from the passage, and not from its place."""

    def scores(self, reranker: Reranker, passages: list[Passage]) -> tuple[float | None, ...]:
        return reranker.score(QUERY, passages, deadline=far()).values

    def test_there_is_a_finite_score_for_each_passage(self, reranker: Reranker) -> None:
        scores = reranker.score(QUERY, PASSAGES, deadline=far())
        assert len(scores.values) == len(PASSAGES)
        assert all(value is not None and math.isfinite(value) for value in scores.values)
        assert scores.compute_ms >= 0

    def test_no_passages_have_no_scores(self, reranker: Reranker) -> None:
        assert reranker.score(QUERY, [], deadline=far()).values == ()

    def test_scores_go_with_their_passages(self, reranker: Reranker) -> None:
        if self.BY_TEXT:
            there, back = self.scores(reranker, PASSAGES), self.scores(reranker, PASSAGES[::-1])
            assert there == pytest.approx(back[::-1], abs=1e-5)
            assert there[0] == pytest.approx(there[2], abs=1e-5)
            alone = [self.scores(reranker, [p])[0] for p in PASSAGES]
            assert there == pytest.approx(alone, abs=1e-5)

    def test_the_passage_that_answers_is_first(self, reranker: Reranker) -> None:
        values = self.scores(reranker, PASSAGES)
        assert values[0] is not None
        assert values[1] is not None
        assert values[0] > values[1]

    def test_a_deadline_that_is_over_leaves_a_scored_prefix_or_nothing(self, reranker: Reranker) -> None:
        try:
            values = reranker.score(QUERY, PASSAGES, deadline=time.monotonic() - 1).values
        except RerankUnavailable as error:
            assert str(error).endswith(".")
            return
        scored = [value is not None for value in values]
        assert scored == sorted(scored, reverse=True)
        assert any(scored)

    def test_odd_texts_are_scored_too(self, reranker: Reranker) -> None:
        odd = [passage("ferry", text=text) for text in (".", "\ud800", "x" * 20_000, "字" * 3000)]
        for query in (QUERY, "?", "why " * 5000, "\ud800 half"):
            assert len(reranker.score(query, odd, deadline=far()).values) == len(odd)

    def test_threads_may_share_it(self, reranker: Reranker) -> None:
        expected = self.scores(reranker, PASSAGES)
        with ThreadPoolExecutor(8) as pool:
            for values in pool.map(lambda _: self.scores(reranker, PASSAGES), range(16)):
                assert values == pytest.approx(expected, abs=1e-5)
