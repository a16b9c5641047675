"""The rank chart by value: its scale, its gaps, its colours, and that it draws hostile titles as text."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from rag.events import Skipped
from rag.trace import Trace
from rag.types import ContextPassage, Query, Ranking, Timing
from search_app.pages import rank_chart
from search_app.pages.rank_lines import columns, fates, legend, lines
from search_app.pages.rank_scale import DECADE, LINEAR_STEP, dodge, spread, strokes, x_positions, y_of
from tests.search_app.pages.build_trace import SPEC, build, passage


def svg(trace: Trace, **options: bool) -> ElementTree.Element:
    return ElementTree.fromstring(str(rank_chart.draw(trace, **options)))


def tiny(orders: dict[str, list[int]], context: list[int], top: int = 2) -> Trace:
    """A trace over a few passages; `orders` are the rankings by passage number, best first."""
    rankings = tuple(
        Ranking.of(stage, "blend", ((passage(n), float(-i)) for i, n in enumerate(order)))  # type: ignore[arg-type]
        for stage, order in orders.items()
    )
    return Trace(
        query=Query(id="q", text="?", collections=("bees",)),
        pipeline="p",
        spec={"context": {"top": top}},
        fingerprint="sha256:0",
        index_version="v",
        readable=9,
        rankings=rankings,
        context=tuple(ContextPassage(i + 1, passage(n).id, 10) for i, n in enumerate(context)),
    )


def test_ranks_one_to_ten_stand_at_equal_distances() -> None:
    gaps = [y_of(b) - y_of(a) for a, b in pairwise(range(1, 11))]
    assert gaps == pytest.approx([LINEAR_STEP] * 9)


def test_below_ten_every_factor_of_ten_takes_the_same_height() -> None:
    assert y_of(100) - y_of(10) == pytest.approx(DECADE)
    assert y_of(1000) - y_of(100) == pytest.approx(DECADE)
    assert y_of(40) - y_of(20) == pytest.approx(y_of(400) - y_of(200))


def test_a_deeper_rank_always_stands_lower() -> None:
    assert all(y_of(r) < y_of(r + 1) for r in range(1, 2000))


def test_neighbouring_stages_are_joined_and_gaps_are_bridged() -> None:
    xs = x_positions(4)
    solid, bridges = strokes([(0, 7), (1, 2), (3, 1)], xs)
    assert solid.startswith(f"M{xs[0]:.0f},{y_of(7):.1f}C") and solid.count("C") == 1
    assert bridges.startswith(f"M{xs[1]:.0f},{y_of(2):.1f}C")
    assert bridges.endswith(f"{xs[3]:.0f},{y_of(1):.1f}") and bridges.count("C") == 1


def test_a_line_goes_on_after_a_gap_as_a_run_of_its_own() -> None:
    solid, bridges = strokes([(0, 1), (1, 1), (3, 1), (4, 1)], x_positions(5))
    assert (solid.count("M"), solid.count("C")) == (2, 2)
    assert (bridges.count("M"), bridges.count("C")) == (1, 1)


def test_a_passage_that_one_leg_did_not_find_starts_late() -> None:
    trace = tiny({"bm25": [1, 2], "knn": [3, 2], "fused": [2, 1, 3], "final": [2, 3, 1]}, [2, 3])
    by_id = {line.passage.id: line for line in lines(trace, columns(trace))}
    assert by_id[passage(3).id].points[0] == (1, 1)
    assert by_id[passage(1).id].points == ((0, 1), (2, 2), (3, 3))


def test_colour_says_what_the_stages_after_fusion_did() -> None:
    trace = tiny({"fused": [1, 2, 3, 4], "final": [1, 3, 2, 4]}, [1, 3])
    assert fates(trace) == {passage(1).id: "stayed", passage(3).id: "rose", passage(2).id: "pushed"}
    assert legend(trace) == [("rose", 1), ("stayed", 1), ("pushed", 1), ("rest", 1)]


def test_a_dropped_passage_of_the_top_is_pushed_out() -> None:
    trace = tiny({"fused": [1, 2, 3], "final": [1, 2, 3]}, [1, 3])
    assert fates(trace)[passage(2).id] == "pushed"


def test_a_stage_that_failed_keeps_an_empty_column_and_one_left_out_by_the_spec_has_none() -> None:
    failed = Skipped("reranked", "The model is not here.", Timing("reranked", 1, 1))
    chosen = Skipped(
        "reranked", "This pipeline has no cross-encoder.", Timing("reranked", 1, 1), failed=False
    )
    shown = {c.key: c for c in columns(build(without=("reranked",), skipped=[failed]))}
    assert not shown["reranked"].ran and shown["reranked"].foot == "left out"
    assert "reranked" not in {c.key for c in columns(build(without=("reranked",), skipped=[chosen]))}


@pytest.mark.parametrize(("shared", "depth", "total"), [(4, 7, 10), (37, 100, 163), (100, 300, 500)])
def test_it_draws_one_line_for_each_candidate(shared: int, depth: int, total: int) -> None:
    drawn = svg(build(shared=shared, depth=depth))
    ways = [g for g in drawn.iter("g") if (g.get("class") or "").startswith("way ")]
    assert len(ways) == total
    assert sorted(int(g.get("data-row") or 0) for g in ways) == list(range(1, total + 1))


def test_every_node_stands_inside_the_picture_and_at_the_height_of_its_rank() -> None:
    drawn = svg(build())
    width, height = (float(v) for v in (drawn.get("viewBox") or "").split()[2:])
    seen = 0
    for group in drawn.iter("g"):
        for node, text in zip(group.iter("rect"), group.iter("text"), strict=True):
            middle = float(node.get("y") or 0) + float(node.get("height") or 0) / 2
            assert middle == pytest.approx(y_of(int(text.text or 0)), abs=0.06)
            assert 0 < float(node.get("x") or 0) < width and 0 < middle < height
            seen += 1
    assert seen > 20


def test_numbers_of_one_column_do_not_cover_each_other() -> None:
    shifts = dodge([(1, 100.0, 16.0), (2, 104.0, 16.0), (3, 108.0, 16.0), (4, 200.0, 16.0)])
    assert shifts[1] == 0 and shifts[4] == 0
    assert len({shifts[1], shifts[2], shifts[3]}) == 3
    assert all(abs(a - b) >= 16 for a, b in pairwise(sorted([shifts[1], shifts[2], shifts[3]])))


def test_labels_are_kept_apart_and_never_moved_up() -> None:
    assert spread([10.0, 12.0, 60.0], 14.0) == [10.0, 24.0, 60.0]


@pytest.mark.parametrize(
    "title",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "مرحبا بالعالم", "x" * 5000, "]]>"],
)
def test_a_hostile_title_is_drawn_as_text(title: str) -> None:
    hostile = passage(1, "text", title=title)
    trace = Trace(
        query=Query(id="q", text="?", collections=("bees",)),
        pipeline="p",
        spec=SPEC,
        fingerprint="sha256:0",
        index_version="v",
        readable=1,
        rankings=(Ranking.of("bm25", "bm25", [(hostile, 1.0)]), Ranking.of("fused", "rrf", [(hostile, 1.0)])),
        context=(ContextPassage(1, hostile.id, 3),),
    )
    drawn = svg(trace)
    assert {element.tag for element in drawn.iter()} <= {
        "svg",
        "title",
        "desc",
        "g",
        "path",
        "rect",
        "text",
        "line",
    }
    label = next(t for t in drawn.iter("text") if "label" in (t.get("class") or ""))
    assert (label.text or "").startswith(title[:20]) and len(label.text or "") <= 40


def test_texts_that_may_not_be_seen_are_not_drawn() -> None:
    trace = build()
    picture = str(rank_chart.draw(trace, texts_visible=False))
    assert not any(p.title in picture for p in trace.passages.values() if p.title != "Feeding")
    assert trace.final[0].passage.id in picture


def test_the_picture_needs_no_inline_style_or_script() -> None:
    picture = str(rank_chart.draw(build()))
    assert not re.search(r"\sstyle=|<style|<script|\son[a-z]+=", picture)


def test_nothing_found_draws_nothing() -> None:
    assert str(rank_chart.draw(tiny({}, []))) == ""


@pytest.mark.parametrize(("shared", "depth"), [(4, 7), (100, 300)])
def test_the_narrow_picture_has_the_lines_that_matter_inside_its_width(shared: int, depth: int) -> None:
    trace = build(shared=shared, depth=depth)
    drawn = svg(trace, narrow=True)
    width, height = (float(v) for v in (drawn.get("viewBox") or "").split()[2:])
    fate = dict(legend(trace))
    ways = [g for g in drawn.iter("g") if (g.get("class") or "").startswith("way ")]
    assert len(ways) == fate["rose"] + fate["stayed"] + fate["pushed"]
    for node in drawn.iter("rect"):
        assert float(node.get("x") or 0) >= 0 and float(node.get("x") or 0) + 16 <= width
        assert float(node.get("y") or 0) <= height


def test_ways_say_in_words_what_the_lines_draw() -> None:
    trace = tiny({"bm25": [1, 2], "knn": [3, 2], "fused": [2, 1, 3], "final": [2, 3, 1]}, [2, 3])
    read = rank_chart.ways(trace)
    assert [(way.number, way.fate, dict(way.steps)["BM25"], dict(way.steps)["Final"]) for way in read] == [
        (1, "stayed", "2", "1"),
        (2, "rose", "–", "2"),
        (3, "pushed", "1", "3"),
    ]
    assert all(way.name not in str(rank_chart.ways(trace, texts_visible=False)) for way in read)
