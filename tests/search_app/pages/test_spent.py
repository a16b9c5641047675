"""What reranking cost, on the trace page and on the answer page; and which stages a trace speaks of."""

from dataclasses import asdict, replace

import pytest
from django.template.loader import render_to_string

from rag.types import STAGES, Spent
from search_app.api import results
from search_app.api.serializers import Cost, SearchResult
from search_app.management.commands.ask import told
from search_app.pages import compare, spent, waterfall
from search_app.pages.answer import answer_context, flow
from search_app.pages.rank_lines import columns
from search_app.pages.trace import tiles, trace_context
from search_app.pages.words import dollars
from tests.search_app.pages.build_trace import CASCADE, SPEC, build, build_cascade
from tests.search_app.pages.test_trace_page import ID, WHEN


def test_each_stage_says_what_it_cost_and_stands_on() -> None:
    table = spent.table(build_cascade())
    assert table is not None
    rows = {row.name: row for row in table.rows}
    assert list(rows) == ["Late", "Coarse", "Middle", "Reranked"]
    coarse, middle, last = (dict(rows[name].cells) for name in ("Coarse", "Middle", "Reranked"))
    assert rows["Coarse"].what == "onnx ms-marco-TinyBERT-L-2-v2 · int8"
    assert (coarse["From the cache"], coarse["Texts read"], coarse["Tokens"]) == ("24 scores", "96", "14,208")
    assert (coarse["In the queue"], coarse["Computing"]) == ("11 ms", "119 ms")
    assert (middle["Windows"], middle["Requests"], middle["Price"]) == ("19", "1", "$0.0020")
    assert (rows["Reranked"].scored, rows["Reranked"].stopped) == ("18 of 20", "its time was over")
    assert (last["Mended"], last["Price"]) == ("2 replies", "–")


def test_only_heads_with_something_below_are_shown() -> None:
    trace = replace(build(), spent={"reranked": Spent(texts=12, tokens=900)})
    table = spent.table(trace)
    assert table is not None
    assert table.heads == ("Texts read", "Tokens", "Computing")


def test_a_trace_from_before_costs_were_kept_still_has_its_page() -> None:
    trace = build()
    table = spent.table(trace)
    assert table is not None
    assert [row.scored for row in table.rows] == ["163 of 163", "12 of 16"]
    assert spent.said(trace) == ""


def test_without_reranking_there_is_no_table() -> None:
    assert spent.table(build(without=("late", "reranked"))) is None


def test_the_page_has_it_as_text() -> None:
    html = render_to_string(
        "trace/page.html", trace_context(build_cascade(), created=WHEN, username="dana", trace_id=ID)
    )
    assert "What reranking cost" in html
    for words in ("24 scores", "$0.0020", "2 replies", "http cohere/rerank-v3.5", "its time was over"):
        assert words in html


def test_the_sums_are_said_in_a_line() -> None:
    said = "24 scores from the cache, long passages in 19 windows, $0.0020, 2 malformed replies mended"
    trace = build_cascade()
    assert spent.said(trace) == said
    assert answer_context(trace)["cost"] == said
    assert any(f"Rerank partial: {said}. " in line for line in told(trace))
    assert answer_context(build())["cost"] == ""


def test_the_stages_stand_in_the_line_of_numbers_and_in_the_chart() -> None:
    steps = [f"{s['before']} {s['number']} {s['after']}".strip() for s in flow(build_cascade())]
    assert steps[4:7] == ["reranked 120 of 120", "then 60 of 60", "then 18 of 20"]
    notes = {column.key: column.note for column in columns(build_cascade())}
    assert (notes["coarse"], notes["middle"]) == ("cross-encoder", "service")
    assert notes["reranked"] == "language model"
    names = [strip.name for strip in waterfall.strips(waterfall.bars(build_cascade()))]
    assert names[6:9] == ["coarse stage: queue", "coarse stage: compute", "middle stage"]
    assert "language model" in names


@pytest.mark.parametrize(
    ("backend", "word"), [("onnx", "cross-encoder"), ("listwise", "language model"), ("new", "reranker")]
)
def test_the_voice_is_named_after_its_backend(backend: str, word: str) -> None:
    trace = replace(build(), spec={**SPEC, "rerank": {**SPEC["rerank"], "backend": backend}})  # type: ignore[dict-item]
    assert spent.voice(trace) == word
    assert any(label.startswith(f"candidates scored by the {word}") for _, label in tiles(trace))


def test_a_price_and_kept_scores_are_headlines() -> None:
    trace = replace(build(), spent={"reranked": Spent(cached=7, usd=0.25)})
    assert ("$0.2500", "paid for reranking") in tiles(trace)
    assert ("12 / 16", "candidates scored by the cross-encoder, 7 from the cache") in tiles(trace)


def test_only_a_pipeline_with_stages_has_them() -> None:
    assert spent.stages_of(build()) == ("bm25", "knn", "fused", "late", "reranked", "final")
    assert "middle" in spent.stages_of(build_cascade())
    one = replace(build(), spec={**SPEC, "rerank": {"before": [{"backend": "onnx"}]}})
    assert "coarse" in spent.stages_of(one)
    assert "middle" not in spent.stages_of(one)
    texts_only = replace(build(), spec={})
    assert "coarse" not in spent.stages_of(texts_only)


def test_two_cascades_are_compared_stage_by_stage() -> None:
    old = build_cascade()
    stages = [{**CASCADE["before"][0], "keep": 40}]  # type: ignore[index]
    new = replace(old, spec={**old.spec, "rerank": {**CASCADE, "before": stages}})
    assert compare.changes(old, new) == [
        "rerank.before.coarse.keep is 40, was 60",
        "rerank.before.middle is left out",
    ]


def test_the_api_gives_what_it_cost_and_the_stages_there_were() -> None:
    trace = build_cascade()
    found = results.searched(trace, ID, 3, str)
    assert found["spent"]["middle"] == asdict(trace.spent["middle"])
    stages = found["passages"][0]["stages"]
    assert list(stages) == list(STAGES)
    assert stages["middle"]["kind"] == "relevance"
    plain = results.searched(build(), ID, 3, str)
    assert plain["spent"] == {}
    assert list(plain["passages"][0]["stages"]) == [stage for stage in STAGES if stage not in spent.BEFORE]
    assert set(found) == set(plain) == set(SearchResult().get_fields())
    assert set(found["spent"]["middle"]) == set(Cost().get_fields())


@pytest.mark.parametrize(
    ("value", "said"), [(1.25, "$1.25"), (0.002, "$0.0020"), (0.00004, "$0.000040"), (1234.5, "$1,234.50")]
)
def test_prices_are_parts_of_a_cent(value: float, said: str) -> None:
    assert dollars(value) == said
