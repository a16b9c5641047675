"""The answer page by value: segments, support, cards, the line of numbers; and hostile texts in its HTML."""

from dataclasses import replace

import pytest
from django.template.loader import render_to_string

from rag.answers import Answer, Check, Citation
from rag.trace import Trace
from rag.types import ContextPassage, Expansion, Query, Ranking, Rewriting
from search_app.pages.answer import answer_context, flow, said_context
from search_app.pages.cards import cards, ranks_line
from search_app.pages.said import NAMES_NO_PASSAGE, checked, segments, verbatim
from tests.search_app.pages.build_trace import SPEC, build, passage

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "‮مرحبا <b>بالعالم",
    "W" * 4000,
    "{{ settings.SECRET_KEY }} {% load x %}",
]


def over(text: str, answer: Answer, title: str = "Title") -> Trace:
    """A trace with one passage, and an answer over it."""
    found = passage(1, text, title=title, headings=(title + " heading",))
    return Trace(
        query=Query(id="q", text=text[:200], collections=("bees",)),
        pipeline="p",
        spec=SPEC,
        fingerprint="sha256:0",
        index_version="v",
        readable=1,
        rankings=(Ranking.of("bm25", "bm25", [(found, 1.0)]), Ranking.of("fused", "rrf", [(found, 1.0)])),
        asked={"bm25": 100},
        context=(ContextPassage(1, found.id, 3),),
        answer=answer,
    )


ANSWERS = [
    Answer(
        "One. [1] Two. [2]", (Citation(1, "a", (0, 3), (0, 4)), Citation(2, "b", (0, 3), (9, 13))), "answered"
    ),
    Answer(
        "Both [1, 2] at once.",
        (Citation(1, "a", (0, 3), (0, 4)), Citation(2, "b", (0, 3), (0, 4))),
        "answered",
    ),
    Answer("[1] first, [9] unknown, [x] none", (Citation(1, "a", (0, 3), (4, 9)),), "answered"),
    Answer("overlap", (Citation(1, "a", (0, 3), (0, 5)), Citation(2, "b", (0, 3), (3, 7))), "answered"),
    Answer("spans outside", (Citation(1, "a", (0, 3), (-4, 900)),), "answered"),
    Answer("", (), "failed"),
    Answer("no citation at all", (), "length"),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_segments_joined_are_the_answer(answer: Answer) -> None:
    assert "".join(segment.text for segment in segments(answer)) == answer.text


def test_only_markers_that_the_citations_know_are_markers() -> None:
    found = [s.text for s in segments(ANSWERS[2]) if s.is_marker]
    assert found == ["[1]"]


def test_a_segment_knows_every_passage_that_supports_it() -> None:
    assert [(s.text, s.markers) for s in segments(ANSWERS[3])] == [
        ("ove", (1,)),
        ("rl", (1, 2)),
        ("ap", (2,)),
    ]


def test_a_marker_opens_what_the_words_before_it_cite() -> None:
    answer = Answer(
        "First. [1] Second. [1]",
        (Citation(1, "a", (10, 20), (0, 6)), Citation(1, "a", (50, 60), (11, 18))),
        "answered",
    )
    assert [s.spans for s in segments(answer) if s.is_marker] == [((10, 20),), ((50, 60),)]


def sentences(answer: Answer) -> list[tuple[str, str, tuple[int, ...]]]:
    """Text, verdict and markers of each sentence, by the citations."""
    checks = checked(over("text", answer))
    return [(answer.text[slice(*check.span)], check.verdict, check.markers) for check in checks]


def test_quoted_sentences_are_counted_one_by_one() -> None:
    text = "“It leaves at nine.” [1] “Fog stops it.” [2]"
    citations = (Citation(1, "1:1:0", (0, 18), (1, 19)), Citation(2, "1:1:1", (0, 13), (26, 39)))
    assert sentences(Answer(text, citations, "answered")) == [
        ("“It leaves at nine.”", "supported", (1,)),
        ("“Fog stops it.”", "supported", (2,)),
    ]


def test_a_sentence_without_support_is_counted() -> None:
    answer = Answer(
        "Quoted. [1] Invented. Half quoted here.", (Citation(1, "a", (0, 3), (0, 7)),), "answered"
    )
    assert sentences(answer) == [
        ("Quoted.", "supported", (1,)),
        ("Invented.", "unsupported", ()),
        ("Half quoted here.", "unsupported", ()),
    ]


def test_a_marker_that_a_document_brought_along_is_its_text() -> None:
    text = "Pay at once [1] and wait."
    found = passage(1, text)
    quoted = Citation(1, found.id, (found.span[0], found.span[0] + len(text)), (1, 1 + len(text)))
    answer = Answer(f"“{text}” [1]", (quoted,), "answered")
    trace = over(text, answer)
    assert verbatim(trace) == [(1, 1 + len(text))]
    html = render_to_string("search/_answer.html", answer_context(trace))
    assert html.count('class="cite"') == 1 and "Pay at once [1] and wait." in html


DOUBTED = "Bees fly. [1] Bees swim well. [1] Nobody knows."
"""Two sentences with a marker and one without."""


def doubted(*verdicts: str) -> Trace:
    """A trace whose three sentences were checked so."""
    found = passage(1, "Bees fly and bees do not swim.")
    spans = ((0, 9), (14, 29), (34, 47))
    cited = (found.span[0], found.span[0] + 8)
    citations = tuple(Citation(1, found.id, cited, span) for span in spans[:2])
    checks = tuple(
        Check(span, verdict, (1,) if at < 2 else (), 0.2, "" if verdict == "supported" else f"Reason <{at}>.")  # type: ignore[arg-type]
        for at, (span, verdict) in enumerate(zip(spans, verdicts, strict=True))
    )
    trace = over("Bees fly and bees do not swim.", Answer(DOUBTED, citations, "answered"))
    return replace(trace, checks=checks, spec={**SPEC, "verify": {"backend": "x", "threshold": 0.5}})


def test_checks_decide_what_is_supported_where_there_are_some() -> None:
    html = render_to_string(
        "search/_said.html", said_context(doubted("supported", "unsupported", "unchecked"))
    )
    assert '<span class="claim unsupported" data-markers="1"' in html
    assert 'title="Not supported by a passage. Reason &lt;1&gt;."' in html
    assert "1 sentence is not supported by a passage" in html
    assert '<span class="unchecked" title="Not checked. Reason &lt;2&gt;.">Nobody knows.</span>' in html
    assert "1 of 3 sentences was not checked." in html
    assert html.count("(not supported by a passage)") == 1
    fine = render_to_string("search/_said.html", said_context(doubted(*["supported"] * 3)))
    assert "unsupported" not in fine and "unchecked" not in fine, "a sentence without a marker may be checked"


def test_what_was_to_be_checked_and_was_not_is_said_to_be_unchecked() -> None:
    trace = replace(doubted(*["supported"] * 3), checks=())
    assert [check.verdict for check in checked(trace)] == ["unchecked", "unchecked", "unsupported"]
    assert checked(trace)[2].reason == NAMES_NO_PASSAGE


def test_no_sentence_is_doubted_while_it_is_written() -> None:
    trace = doubted("supported", "unsupported", "unchecked")
    live = render_to_string("search/_said.html", said_context(trace, live=True))
    assert "unsupported" not in live and "unchecked" not in live
    assert live.count('class="cite"') == 2


@pytest.mark.parametrize(
    ("reason", "said"),
    [("length", "length limit"), ("failed", "could not be written to its end"), ("stopped", "was stopped")],
)
def test_an_answer_that_is_not_whole_keeps_its_text_and_says_so(reason: str, said: str) -> None:
    trace = doubted(*["supported"] * 3)
    answer = replace(trace.answer, finish_reason=reason)  # type: ignore[type-var]
    html = render_to_string("search/_answer.html", answer_context(replace(trace, answer=answer)))
    assert said in html and "Bees fly." in html and 'class="card' in html
    assert said not in render_to_string("search/_said.html", said_context(trace, live=True))


def test_a_widened_passage_shows_its_cited_part() -> None:
    trace = doubted(*["supported"] * 3)
    narrow = trace.passages[trace.context[0].passage_id]
    before = "What stands before it. "
    start = narrow.span[0] - len(before)
    wide = replace(narrow, text=before + narrow.text + " And after.", span=(start, narrow.span[1] + 11))
    (card,) = cards(replace(trace, widened=(wide,)))
    assert [p.text for p in card.pieces if p.cited] == ["Bees fly"]
    assert "What stands before it." in "".join(p.text for p in card.pieces)
    uncited = replace(trace, widened=(wide,), answer=None)
    (card,) = cards(uncited)
    assert "".join(p.text for p in card.pieces).startswith("Bees fly") and card.cut_before


def test_what_was_understood_and_searched_besides_is_said() -> None:
    trace = replace(
        build(),
        rewriting=Rewriting("What does <b>it</b> cost?", "rule"),
        expansion=Expansion("hyde", ("It costs <i>nine</i>.",), "chat"),
    )
    html = render_to_string("search/_answer.html", answer_context(trace))
    assert 'Understood as: <q dir="auto">What does &lt;b&gt;it&lt;/b&gt; cost?</q>' in html
    assert "Searched with 1 more text" in html and "&lt;i&gt;nine" in html
    nothing = replace(trace, rankings=(), context=(), answer=Answer("Nothing.", (), "no_answer"))
    assert "Understood as" in render_to_string("search/_answer.html", answer_context(nothing))


def test_the_line_of_numbers() -> None:
    said = " ".join(" ".join(filter(None, step.values())) for step in flow(build()))
    assert said == (
        "3,412 passages you may read → words 100 + meaning 100 → fused 163 → reranked 12 of 16 → 5 used"
    )


def test_a_card_shows_its_cited_words_and_where_it_stood() -> None:
    trace = build()
    first = cards(trace)[0]
    cited = [c for c in trace.answer.citations if c.marker == 1][0]  # type: ignore[union-attr]
    known = trace.passages[cited.passage_id]
    begin = known.span[0]
    assert [p.text for p in first.pieces if p.cited] == [
        known.text[cited.span[0] - begin : cited.span[1] - begin]
    ]
    assert first.url.endswith(f"version=1&start={cited.span[0]}&end={cited.span[1]}#cited")
    bm25 = trace.ranking("bm25").ranks().get(known.id)  # type: ignore[union-attr]
    assert ranks_line(trace, known.id).startswith(f"BM25 {bm25 or '–'} · meaning ")
    assert ranks_line(trace, known.id).endswith("→ final 1")


def test_a_card_says_what_reranking_moved_up() -> None:
    trace = build()
    fused, final = trace.ranking("fused").ranks(), trace.ranking("final").ranks()  # type: ignore[union-attr]
    for card in cards(trace):
        moved = fused[card.passage_id] - final[card.passage_id]
        assert card.rose == (moved if moved > 0 else None)
    assert any(card.rose for card in cards(trace))
    assert not any(card.rose for card in cards(build(without=("late", "reranked", "final"))))


def test_a_card_does_not_repeat_its_heading() -> None:
    found = passage(1, "Title heading\n\nThe words below.", title="Title", headings=("Title heading",))
    trace = replace(
        over("x", Answer("x", (), "answered")), rankings=(Ranking.of("bm25", "bm25", [(found, 1.0)]),)
    )
    assert "".join(p.text for p in cards(trace)[0].pieces) == "The words below."
    start = found.span[0]
    heading = Answer("Title [1]", (Citation(1, found.id, (start, start + 5), (0, 5)),), "answered")
    shown = cards(replace(trace, answer=heading))[0].pieces
    assert [(p.text, p.cited) for p in shown][:1] == [("Title", True)]


def test_quotations_stand_one_below_the_other() -> None:
    text = "“Half the words.” [1] “And the rest.” [1]"
    answer = Answer(
        text, (Citation(1, "x", (40, 44), (1, 16)), Citation(1, "x", (40, 44), (23, 36))), "answered"
    )
    html = render_to_string("search/_answer.html", answer_context(over("text", answer)))
    assert html.count("\n\n“") == 1 and 'class="answer quotes"' in html
    prose = replace(answer, text=text + " And prose.")
    assert "\n\n“" not in render_to_string("search/_answer.html", answer_context(over("text", prose)))


def test_before_the_answer_the_passages_are_shown() -> None:
    so_far = replace(build(), answer=None)
    html = render_to_string("search/_passages.html", answer_context(so_far))
    assert html.count('class="card"') == 5 and "Open trace" not in html


def test_no_answer_says_so_and_shows_what_was_found_instead() -> None:
    html = render_to_string("search/_answer.html", answer_context(build(answered="no_answer")))
    assert "The documents do not answer this." in html and "What was found instead" in html
    assert "unsupported" not in html


def test_nothing_found_says_what_was_searched_and_what_to_try() -> None:
    trace = replace(build(), rankings=(), context=(), answer=Answer("Nothing.", (), "no_answer"))
    html = render_to_string("search/_answer.html", answer_context(trace))
    assert "Nothing was found." in html and "3,412 passages" in html and "other words" in html


def test_what_degraded_is_said_above_the_answer() -> None:
    html = render_to_string("search/_answer.html", answer_context(build()))
    assert html.index("Reranking stopped at its time budget") < html.index('class="answer"')


def test_a_purged_passage_says_so() -> None:
    trace = over("", Answer("x", (), "answered"))
    assert "has been deleted" in render_to_string("search/_answer.html", answer_context(trace))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_everywhere(text: str) -> None:
    found = passage(1, text)
    end = len(text)
    quoted = Answer(
        f"{text} [1]", (Citation(1, found.id, (found.span[0], found.span[0] + end), (0, end)),), "answered"
    )
    html = render_to_string("search/_answer.html", answer_context(over(text, quoted, title=text)))
    assert "<script" not in html and "<img" not in html and "<b>ب" not in html
    if "<" in text:
        assert text.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") in html
    else:
        assert text in html
