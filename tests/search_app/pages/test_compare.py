"""Two traces side by side, by value: what changed, where the orders part, who moved, and the slope."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from rag.replay import difference
from rag.types import Candidate, ContextPassage, Ranking, Rewriting
from search_app.management.commands.ask import told
from search_app.pages import compare, compare_chart
from tests.search_app.pages.build_trace import SPEC, build
from tests.search_app.pages.test_rank_chart import tiny


def test_a_trace_and_itself_differ_in_nothing() -> None:
    trace = build()
    assert compare.changes(trace, trace) == []
    assert all(row.same for row in compare.stages(trace, trace))
    assert compare.same_top(trace, trace) == 10
    assert {move.up for move in compare.moves(trace, trace)} == {0}


def test_what_was_changed_is_named_by_its_key() -> None:
    old = build()
    spec = {**SPEC, "rerank": {**SPEC["rerank"], "depth": 32}, "late": None, "new": {"a": 1}}  # type: ignore[dict-item]
    new = replace(old, spec=spec, index_version="passages-0008", readable=9)
    assert compare.changes(old, new) == [
        "9 passages to search, were 3,412",
        "index passages-0008, was passages-0007",
        "late is left out",
        "rerank.depth is 32, was 16",
        "new is new",
    ]


def test_moves_are_in_the_newer_order_with_what_came_and_went() -> None:
    old = tiny({"fused": [1, 2, 3], "final": [1, 2, 3]}, [1])
    new = tiny({"fused": [1, 2, 3], "final": [4, 2, 1]}, [4])
    moves = compare.moves(old, new)
    assert [(move.before, move.after, move.up) for move in moves] == [
        (None, 1, None),
        (2, 2, 0),
        (1, 3, -2),
        (3, None, None),
    ]
    assert [(move.was, move.now) for move in moves] == [("", "used"), ("", ""), ("used", ""), ("", "")]
    rows = {row.name: row for row in compare.stages(old, new)}
    assert rows["Fused"].same and not rows["Final"].same
    assert (rows["Final"].common, rows["Final"].top_common, rows["Final"].top) == (2, 2, 3)


def test_a_passage_is_the_same_when_its_document_was_indexed_again() -> None:
    old = tiny({"final": [1, 2]}, [1])
    moved = [
        replace(c.passage, version=2, id=c.passage.id.replace(":1:", ":2:"))
        for c in old.rankings[0].candidates
    ]
    ranking = Ranking("final", "blend", tuple(Candidate(p, -float(i)) for i, p in enumerate(moved)))
    new = replace(old, rankings=(ranking,), context=(ContextPassage(1, moved[0].id, 10),))
    assert compare.stages(old, new)[0].same
    assert [move.up for move in compare.moves(old, new)] == [0, 0]


def test_a_stage_that_did_not_run_is_no_empty_one() -> None:
    rows = {row.name: row for row in compare.stages(build(), build(without=("late",)))}
    assert rows["Late"].after is None and rows["Late"].before == 163 and not rows["Late"].same


@pytest.mark.parametrize("title", ["<script>alert(1)</script>", "x" * 900, '"><img src=x>'])
def test_the_slope_draws_titles_as_text(title: str) -> None:
    svg = ElementTree.fromstring(str(compare_chart.draw([(title, 1, 2), ("b", 2, None), ("c", None, 1)])))
    assert {element.tag for element in svg.iter()} <= {"svg", "title", "line", "path", "g", "rect", "text"}
    labels = [t.text for t in svg.iter("text") if "label" in (t.get("class") or "")]
    assert len(labels) == 4 and all(len(label or "") <= compare_chart.LETTERS for label in labels)
    assert len(list(svg.iter("path"))) == 1


def test_colour_of_the_slope_is_the_direction() -> None:
    assert [compare_chart.fate(*pair) for pair in ((1, 1), (2, 1), (1, 2), (None, 9), (9, None))] == [
        "stayed",
        "rose",
        "pushed",
        "rose",
        "pushed",
    ]


def test_nothing_draws_nothing() -> None:
    assert str(compare_chart.draw([])) == ""


def test_another_understanding_is_a_change() -> None:
    old = replace(build(), rewriting=Rewriting("What does a hive cost?", "rule"))
    new = replace(old, rewriting=Rewriting("What does a swarm cost?", "chat"))
    assert compare.changes(old, new) == [
        "understood as “What does a swarm cost?”, was “What does a hive cost?”"
    ]
    assert [one.where for one in difference(old, new)] == ["question"]
    assert [one.sentence for one in difference(old, replace(old, answer=None))][0] == (
        "the answer was answered and is not written"
    )


def test_the_command_prints_what_was_understood_and_what_nothing_supports() -> None:
    trace = replace(build(), rewriting=Rewriting("What does a hive cost?", "rule"))
    lines = told(trace)
    assert lines[0] == "Understood as: What does a hive cost?"
    assert "? Not supported by a passage: Most years nobody notices. It names no passage." in lines
