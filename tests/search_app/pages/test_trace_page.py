"""The page of a trace by value, and what every page keeps to: nothing inline, nothing from elsewhere."""

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from rag.events import Skipped
from rag.types import Timing
from search_app.pages.answer import answer_context
from search_app.pages.document import document_context
from search_app.pages.trace import trace_context
from search_app.pages.trace_table import heads, rows
from search_app.pages.words import count, milliseconds, score_text
from tests.search_app.pages.build_trace import QUESTION, build

ROOT = Path(__file__).resolve().parents[3]
WHEN = datetime(2026, 11, 21, 10, 42, 7, tzinfo=UTC)
ID = uuid.UUID(int=7)


def page(**options: object) -> str:
    trace = build()
    return render_to_string(
        "trace/page.html", trace_context(trace, created=WHEN, username="dana", trace_id=ID, **options)
    )  # type: ignore[arg-type]


def test_the_table_holds_every_rank_and_raw_score() -> None:
    trace = build()
    keys = [head.key for head in heads(trace)]
    assert keys == ["final", "bm25", "knn", "fused", "late", "reranked"]
    table = rows(trace)
    assert len(table) == 163
    for row in table[:20]:
        for key, cell in zip(keys, row.cells, strict=True):
            ranking = trace.ranking(key)
            assert ranking is not None
            rank = ranking.ranks().get(row.passage_id)
            assert cell.rank == (str(rank) if rank else "–")
            if rank:
                assert cell.score == score_text(ranking.kind, ranking.scores()[row.passage_id])


def test_movement_is_counted_from_the_fused_to_the_final_order() -> None:
    trace = build()
    fused = trace.ranking("fused").ranks()  # type: ignore[union-attr]
    for row in rows(trace):
        assert row.moved == fused[row.passage_id] - row.number


def test_outcomes_say_cited_used_or_why_not() -> None:
    outcomes = [row.outcome for row in rows(build())]
    assert outcomes[:6] == [
        "cited",
        "cited",
        "cited",
        "used, not cited",
        "used, not cited",
        "below the top 5",
    ]


def test_every_score_has_its_scale() -> None:
    html = page()
    for scale in ("BM25", "cosine", "z-score", "MaxSim", "logit", "blend"):
        assert f'<th scope="col" class="r scale score">{scale}</th>' in html


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("bm25", 17.5, "17.50"),
        ("cosine", 0.8184, "0.818"),
        ("rrf", 0.03279, "0.0328"),
        ("logit", -4.2, "−4.20"),
    ],
)
def test_scores_are_written_in_their_scale(kind: str, value: float, said: str) -> None:
    assert score_text(kind, value) == said


def test_numbers_are_written_for_people() -> None:
    assert [milliseconds(v) for v in (0.42, 9.94, 31.4, 999.6, 1980)] == [
        "0.4 ms",
        "9.9 ms",
        "31 ms",
        "1.00 s",
        "1.98 s",
    ]
    assert [count(n, "passage") for n in (1, 3412)] == ["1 passage", "3,412 passages"]


def test_a_line_and_its_row_are_tied_by_number() -> None:
    html = page()
    for number in (1, 7, 163):
        assert f'<tr id="row-{number}" data-row="{number}"' in html
        assert re.search(rf'<g class="way \w+" data-row="{number}">', html)


def test_without_texts_passages_appear_by_id_only() -> None:
    trace = build()
    html = page(texts_visible=False)
    assert not any(p.title in html for p in trace.passages.values())
    assert trace.final[0].passage.id in html and "/documents/" not in html and f"/answers/{ID}" not in html


def test_a_trace_that_lost_stages_is_shown_with_the_reasons() -> None:
    lost = [
        Skipped("knn", "Searched by words only: no encoder.", Timing("knn", 1, 1)),
        Skipped("reranked", "The model answered too late.", Timing("reranked", 1, 1)),
    ]
    trace = build(without=("knn", "reranked", "late", "final"), skipped=lost, answered="none")
    html = render_to_string("trace/page.html", trace_context(trace, created=WHEN, username=""))
    assert "Searched by words only: no encoder." in html and "The model answered too late." in html
    assert "no answer was written" in html


def pages() -> dict[str, str]:
    asked = {"collections": [], "question": QUESTION, "selected": []}
    return {
        "trace": page(),
        "answer": render_to_string("search/ask.html", asked | answer_context(build(), ID)),
        "stream": render_to_string("search/ask.html", asked),
        "ask": render_to_string("search/ask.html", asked | {"question": ""}),
        "first": render_to_string("search/ask.html", asked | {"question": "", "first_run": True}),
        "document": render_to_string("document/page.html", document_context("T", "a\n\nb", [], [], (0, 1))),
        "list": render_to_string("trace/list.html", {"traces": []}),
        "404": render_to_string("404.html"),
        "500": render_to_string("500.html"),
    }


def test_no_page_needs_anything_inline_or_from_elsewhere() -> None:
    for name, html in pages().items():
        assert not re.search(r"<style|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:", html), name
        assert not re.search(r"<script(?![^>]*\ssrc=)", html), name
        assert not re.search(r"(?:src|href|action)=[\"'](?:https?:)?//", html), name
        assert html.count("<h1") == 1, name


def test_styles_and_scripts_load_nothing_from_elsewhere() -> None:
    files = [path for path in (ROOT / "search_app/static/sieve").rglob("*") if path.is_file()]
    assert len(files) > 10
    for file in files:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|url\(", text), file.name


def test_both_schemes_name_the_same_colours() -> None:
    css = (ROOT / "search_app/static/sieve/sieve.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\n\s*\}", css, re.S)[:2]
    colours = {
        name for name in re.findall(r"(--[\w-]+):", light) if name not in ("--sans", "--mono", "--round")
    }
    assert colours == set(re.findall(r"(--[\w-]+):", dark))


def _luminance(colour: str) -> float:
    value = colour.lstrip("#")
    value = "".join(c * 2 for c in value) if len(value) == 3 else value
    parts = [int(value[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        *[(ink, paper) for ink in ("ink", "mute", "acc", "up", "down") for paper in ("bg", "panel")],
        ("acc", "acc-soft"),
        ("warn", "warn-soft"),
        ("on-acc", "acc"),
        ("mute", "soft"),
    ],
)
def test_text_stands_out_from_its_ground(scheme: int, ink: str, paper: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    css = (ROOT / "search_app/static/sieve/sieve.css").read_text("utf-8")
    root = re.findall(r":root \{(.*?)\n\s*\}", css, re.S)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", root))
    dark, light = sorted((_luminance(colours[ink]), _luminance(colours[paper])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5
