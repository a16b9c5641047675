"""The answer page by value: segments, support, cards, the line of numbers; and hostile texts in its HTML."""

from dataclasses import replace

import pytest
from django.template.loader import render_to_string

from rag.answers import Answer, Citation
from rag.trace import Trace
from rag.types import ContextPassage, Query, Ranking
from search_app.pages.answer import answer_context, cards, flow, ranks_line, segments, support
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


def test_quoted_sentences_are_counted_one_by_one() -> None:
    text = "“It leaves at nine.” [1] “Fog stops it.” [2]"
    citations = (Citation(1, "1:1:0", (0, 18), (1, 19)), Citation(2, "1:1:1", (0, 13), (26, 39)))
    assert support(segments(Answer(text, citations, "answered"))) == (2, 2)


def test_a_sentence_without_support_is_counted() -> None:
    answer = Answer(
        "Quoted. [1] Invented. Half quoted here.", (Citation(1, "a", (0, 3), (0, 7)),), "answered"
    )
    assert support(segments(answer)) == (3, 1)


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
