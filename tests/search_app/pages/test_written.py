"""How an answer came to be, on the page of its trace."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from django.template.loader import render_to_string

from rag.answers import Check, Confidence, Usage
from rag.trace import Trace
from rag.types import Expansion, Rewriting, Timing
from search_app.pages.handed import handed_over
from search_app.pages.trace import trace_context
from search_app.pages.waterfall import bars
from search_app.pages.written import how_written
from tests.search_app.pages.build_trace import SPEC, build

REFUSE = {"backend": "scores", "model": "", "threshold": 0.45, "budget_ms": 100}
VERIFY = {"backend": "overlap", "model": "", "threshold": 0.5, "budget_ms": 100}


def whole() -> Trace:
    """A follow-up that was understood, weighed, written by a language model and checked."""
    trace = build()
    assert trace.answer is not None
    text = trace.answer.text
    last = text.index("Most years")
    checks = (
        Check((0, 40), "supported", (1,), 0.93),
        Check((last, len(text)), "unsupported", (), 0.12, "It names <no> passage."),
    )
    steps = (Timing("rewrite", 0.0, 30.0), Timing("weigh", 527.1, 4.0), Timing("verify", 742.0, 55.0))
    return replace(
        trace,
        query=replace(trace.query, history=("How long may a hive be closed?",)),
        spec={**SPEC, "refuse": REFUSE, "verify": VERIFY},
        rewriting=Rewriting("How long may a hive be closed in spring?", "rule"),
        expansion=Expansion("multi_query", ("closed hive <spring>",), "chat"),
        confidence=Confidence(0.71, {"top_score": 0.9, "gap": 0.2}),
        answer=replace(trace.answer, unknown_markers=1),
        usage=Usage("chat", 912, 44, 512, 12.5, "2", "answer:3f2a91c0", 0.002),
        checks=checks,
        timings=(*trace.timings, *steps),
    )


def page(trace: Trace, **more: object) -> str:
    when = datetime(2026, 11, 21, tzinfo=UTC)
    context = trace_context(trace, created=when, username="dana", trace_id=uuid.UUID(int=7), **more)  # type: ignore[arg-type]
    return render_to_string("trace/page.html", context)


def test_the_whole_way_of_an_answer_is_told() -> None:
    written = how_written(whole())
    assert written is not None
    facts = dict(written.facts)
    assert facts["Prompt tokens"] == "912, 512 of them computed before"
    assert (facts["Tokens a second"], facts["Replica"], facts["Prompt"]) == ("12.5", "2", "answer:3f2a91c0")
    assert (facts["Price"], facts["Taken out"]) == ("$0.0020", "1 marker that named no passage")
    assert written.weighed is not None
    assert (written.weighed.value, written.weighed.threshold, written.weighed.enough) == (
        "0.71",
        "0.45",
        True,
    )
    assert [(s.said, s.score) for s in written.sentences] == [
        ("supported", "0.93"),
        ("not supported", "0.12"),
    ]
    assert written.scale == "overlap, supported from 0.5"
    assert dict(written.understood)["With the questions before"] == "How long may a hive be closed?"


def test_it_stands_on_the_page_and_documents_are_text_in_it() -> None:
    html = page(whole())
    assert "Understood as: <q" in html and "closed hive &lt;spring&gt;" in html
    assert "It names &lt;no&gt; passage." in html and "too little" not in html
    assert "made of top score" in html


def test_who_may_not_read_the_texts_is_told_numbers_only() -> None:
    html = page(whole(), texts_visible=False)
    assert "Understood as" not in html
    assert "Most years nobody notices" not in html and "closed hive" not in html
    assert "12.5" in html


def test_the_new_steps_stand_in_the_waterfall() -> None:
    names = [bar.name for bar in bars(whole())]
    assert names[0] == "understand follow-up" and names[-1] == "check sentences" and "weigh context" in names


def test_a_widened_passage_is_shown_as_it_was_handed_over() -> None:
    trace = whole()
    passage = trace.handed[1][1]
    wide = replace(passage, text=passage.text + " And on.", span=(passage.span[0], passage.span[1] + 8))
    handed = handed_over(replace(trace, widened=(wide,)))
    assert handed is not None
    assert [one.widened for one in handed.passages] == [False, True, False, False, False]
    assert "".join(piece.text for piece in handed.passages[1].pieces).endswith(" And on.")
