"""The waterfall by value: bars in proportion to time, waiting before computing, the budget as a line."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from rag.trace import Trace
from rag.types import Timing
from search_app.pages import waterfall
from tests.search_app.pages.build_trace import SPEC, build


def svg(trace: Trace) -> ElementTree.Element:
    return ElementTree.fromstring(str(waterfall.draw(trace)))


def rects(trace: Trace, kind: str) -> list[tuple[float, float]]:
    return [
        (float(r.get("x") or 0), float(r.get("width") or 0))
        for r in svg(trace).iter("rect")
        if r.get("class") == kind
    ]


def test_lengths_are_in_proportion_to_time() -> None:
    trace = replace(
        build(), timings=(Timing("bm25", 0, 100), Timing("generate", 100, 300)), first_ms=None, spec={}
    )
    (_, short), (_, long) = rects(trace, "computed")
    assert long == pytest.approx(3 * short, rel=0.01)


def test_waiting_stands_before_computing_and_ends_where_it_begins() -> None:
    trace = replace(build(), timings=(Timing("reranked", 10, 90, 60),), spec={})
    ((waited_x, waited),) = rects(trace, "waited")
    ((computed_x, computed),) = rects(trace, "computed")
    assert waited_x + waited == pytest.approx(computed_x, abs=0.2)
    assert computed == pytest.approx(2 * waited, rel=0.01)


def test_the_budget_runs_from_the_first_rerank_stage() -> None:
    limit = waterfall.budget(build())
    assert limit is not None and limit.started == 25.3 and limit.ends == pytest.approx(525.3)


def test_without_a_cross_encoder_there_is_no_budget() -> None:
    assert waterfall.budget(replace(build(), spec={**SPEC, "rerank": None})) is None


def test_a_budget_far_beyond_the_end_does_not_squeeze_the_bars() -> None:
    trace = replace(build(), timings=(Timing("late", 0, 20), Timing("reranked", 20, 60)))
    assert not [line for line in svg(trace).iter("line") if line.get("class") == "budget"]


def test_time_between_the_steps_counts_overlapping_steps_once() -> None:
    steps = (Timing("bm25", 1, 20), Timing("knn", 1, 10), Timing("permit", 15, 2), Timing("fused", 25, 5))
    trace = replace(build(), timings=steps, first_ms=None)
    assert waterfall.between(trace) == pytest.approx(1 + 4)


@pytest.mark.parametrize(("total", "step"), [(8, 1), (741, 100), (1980, 500), (0.4, 0.2)])
def test_ticks_are_round(total: float, step: float) -> None:
    assert waterfall.tick_step(total) == pytest.approx(step)


def test_an_unknown_step_is_named_and_escaped() -> None:
    trace = replace(build(), timings=(Timing("<script>", 0, 5),))
    assert "&lt;script&gt;" in str(waterfall.draw(trace))


def test_no_times_draw_nothing() -> None:
    assert str(waterfall.draw(replace(build(), timings=()))) == ""


def names(trace: Trace, **options: bool) -> list[str]:
    drawn = ElementTree.fromstring(str(waterfall.draw(trace, **options)))
    return [t.text or "" for t in drawn.iter("text") if t.get("class") == "name"]


def test_waiting_in_the_queue_is_a_row_of_its_own_with_its_name() -> None:
    trace = replace(build(), timings=(Timing("reranked", 10, 90, 60), Timing("final", 100, 1)))
    assert names(trace) == ["cross-encoder: queue", "cross-encoder: compute", "blend"]
    (row, *_) = waterfall.strips(waterfall.bars(trace))
    assert (row.kind, row.started, row.length) == ("waited", 10, 30)


def test_less_than_a_millisecond_of_waiting_is_no_queue() -> None:
    trace = replace(build(), timings=(Timing("reranked", 10, 60.4, 60),))
    assert names(trace) == ["cross-encoder"] and not rects(trace, "waited")


def test_the_narrow_picture_has_the_same_rows_inside_its_width() -> None:
    trace = build()
    assert names(trace, narrow=True) == names(trace)
    drawn = ElementTree.fromstring(str(waterfall.draw(trace, narrow=True)))
    width = float((drawn.get("viewBox") or "").split()[2])
    assert width < 400
    assert all(float(r.get("x") or 0) + float(r.get("width") or 0) <= width for r in drawn.iter("rect"))
