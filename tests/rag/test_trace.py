import pytest

from rag.answers import Answer
from rag.events import Began, Delta, Encoded, Permitted, Ranked, Skipped
from rag.trace import fold
from rag.types import NOTHING_SPENT, Query, Spent, Timing
from tests.rag.build import ranking

BEGAN = Began(
    query=Query(id="q", text="why?", collections=("c",)),
    pipeline="default",
    spec={},
    fingerprint="sha256:0",
    index_version="passages-0001",
    readable=4,
)
T = Timing("step", 1.0, 2.0)


def test_fold_gathers_what_the_pipeline_yields() -> None:
    bm25 = ranking("bm25", a=2.0, b=1.0)
    late = Timing("permit", 10.0, 5.0)
    trace = fold([BEGAN, Encoded(T), Ranked(bm25, T, 100), Permitted(3, late), Delta("x")])
    assert trace.rankings == (bm25,)
    assert trace.asked == {"bm25": 100}
    assert trace.refused == 3
    assert trace.total_ms == 15.0
    assert [p.document_id for p in trace.passages.values()] == ["a", "b"]


def test_what_the_scores_cost_is_kept_by_stage_where_there_is_something_to_say() -> None:
    spent = Spent(texts=1, tokens=40, cached=1, precision="int8")
    one, two = ranking("reranked", a=2.0, b=1.0), ranking("late", a=2.0)
    trace = fold([BEGAN, Ranked(two, T, 1, spent=NOTHING_SPENT), Ranked(one, T, 2, spent=spent)])
    assert trace.spent == {"reranked": spent}


def test_a_trace_begins_once_and_with_began() -> None:
    with pytest.raises(ValueError, match="begins with Began"):
        fold([Encoded(T)])
    with pytest.raises(ValueError, match="begins once"):
        fold([BEGAN, BEGAN])


@pytest.mark.parametrize(
    ("events", "status", "scored", "degraded"),
    [
        ([Ranked(ranking("reranked", a=1.0, b=2.0), T, 2)], "applied", 2, 0),
        ([Ranked(ranking("reranked", a=1.0), T, 14)], "partial", 1, 1),
        ([Skipped("reranked", "The model is absent.", T)], "fallback", 0, 1),
        ([Skipped("reranked", "Left out by the spec.", T, failed=False)], "skipped", 0, 0),
        ([], "skipped", 0, 0),
    ],
)
def test_rerank_status_is_never_a_lie(events, status, scored, degraded) -> None:  # type: ignore[no-untyped-def]
    trace = fold([BEGAN, *events])
    assert (trace.rerank.status, trace.rerank.scored) == (status, scored)
    assert len(trace.degraded) == degraded
    assert (trace.rerank.reason == "") == (status == "applied")


def test_movements_give_each_passage_its_rank_in_every_stage() -> None:
    events = [
        Ranked(ranking("bm25", a=2.0, b=1.0), T, 100),
        Ranked(ranking("knn", c=2.0, a=1.0), T, 100),
        Ranked(ranking("final", c=3.0, a=2.0, b=1.0), T, 3),
    ]
    assert fold([BEGAN, *events]).movements() == {
        "c:1:0": {"bm25": None, "knn": 1, "final": 1},
        "a:1:0": {"bm25": 1, "knn": 2, "final": 2},
        "b:1:0": {"bm25": 2, "knn": None, "final": 3},
    }


def test_an_empty_piece_is_no_text() -> None:
    assert fold([BEGAN, Delta("")]).answer is None
    assert fold([BEGAN, Delta(""), Delta("At "), Delta("")]).answer == Answer("At ", (), "stopped")
