"""Texts that somebody brings along: their ranking, its trace, and scores on the scale of providers."""

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given as samples
from hypothesis import strategies as st

from rag import given, trace_store
from rag.errors import RerankUnavailable
from rag.rerank.base import ByText
from rag.rerank.identity import IdentityReranker
from rag.spec import RerankSpec
from rag.trace import Trace, fold
from rag.types import Query, ScoreKind, Scores

SPEC = RerankSpec(backend="onnx", model="m", depth=3, budget_ms=7, required=True)
QUERY = Query(id="q", text="ferry", collections=())
KINDS: tuple[ScoreKind, ...] = ("logit", "probability", "relevance", "rating", "ordinal", "maxsim")


class Scripted(ByText):
    fingerprint = "scripted"

    def __init__(self, *values: float | None) -> None:
        self.values = values

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        self.left_s = deadline - time.monotonic()
        return Scores("logit", self.values, 0.0)


def ranked(reranker: Scripted | IdentityReranker, texts: Sequence[str], spec: RerankSpec = SPEC) -> Trace:
    return fold(given.rank(QUERY, texts, reranker, spec, name="rerank:m", budget_ms=5000))


@samples(st.lists(st.floats(-5, 5) | st.integers(-1, 1), max_size=40))
def test_all_texts_come_back_once_best_first_and_ties_as_given(values: list[float]) -> None:
    trace = ranked(Scripted(*values), [f"text {n}" for n in range(len(values))])
    places = [candidate.passage.position for candidate in trace.final]
    assert places == sorted(range(len(values)), key=lambda n: (-values[n], n))
    assert trace.rerank.scored == trace.rerank.asked == len(values)


def test_what_was_not_scored_is_missing_and_said() -> None:
    trace = ranked(Scripted(None, 1.0, None), ["a", "b", "c"])
    assert [candidate.passage.position for candidate in trace.final] == [1]
    assert (trace.rerank.status, trace.rerank.scored, trace.rerank.asked) == ("partial", 1, 3)


def test_the_specs_own_depth_and_budget_are_not_asked_for() -> None:
    reranker = Scripted(*[0.0] * 5)
    assert len(ranked(reranker, ["x"] * 5).final) == 5
    assert 4 < reranker.left_s <= 5


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_no_number_spoils_all(value: float) -> None:
    trace = ranked(Scripted(1.0, value), ["a", "b"])
    assert trace.rerank.status == "fallback" and "no number" in trace.rerank.reason
    assert trace.final == ()


def test_a_reranker_that_is_away_is_said() -> None:
    class Away(Scripted):
        def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
            raise RerankUnavailable("No rerank worker is running.")

    assert "No rerank worker" in ranked(Away(), ["a"]).rerank.reason


def test_the_trace_is_kept_without_a_text_and_read_again() -> None:
    trace = ranked(IdentityReranker(), ["the ferry", "a lighthouse"])
    stored = trace_store.to_json(trace)
    assert "lighthouse" not in str(stored)
    assert stored["spec"] == {"rerank": {"backend": "onnx", "model": "m"}, "generate": None}
    again = trace_store.from_json(stored, {})
    assert [c.passage.id for c in again.final] == [c.passage.id for c in trace.final]


def test_a_spec_is_what_decides_a_score() -> None:
    def fingerprint(**changed: object) -> str:
        values = {"backend": "onnx", "model": "m", "depth": 3, "budget_ms": 7, "required": True} | changed
        return ranked(Scripted(0.0), ["a"], RerankSpec(**values)).fingerprint  # type: ignore[arg-type]

    assert fingerprint() == fingerprint(depth=500, budget_ms=9, required=False, stop_gap=1.0)
    assert len({fingerprint(), fingerprint(model="n"), fingerprint(options={"a": 1})}) == 3
    assert fingerprint() != fingerprint(window_tokens=400, window_overlap=100)


@samples(st.sampled_from(KINDS), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 1000))
def test_a_relevance_is_from_0_to_1_and_in_the_same_order(
    kind: ScoreKind, one: float, other: float, texts: int
) -> None:
    lower, higher = (given.relevance(kind, score, texts) for score in sorted((one, other)))
    assert 0 <= lower <= higher <= 1


@pytest.mark.parametrize(
    ("kind", "score", "is_"),
    [
        ("logit", 0.0, 0.5),
        ("logit", math.log(3), 0.75),
        ("probability", 0.3, 0.3),
        ("relevance", 0.3, 0.3),
        ("rating", 7.0, 0.7),
        ("ordinal", 3.0, 0.75),
        ("maxsim", 0.5, 0.75),
    ],
)
def test_relevances_worked_by_hand(kind: ScoreKind, score: float, is_: float) -> None:
    assert given.relevance(kind, score, 4) == pytest.approx(is_)
