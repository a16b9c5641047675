"""Each measure by an example worked by hand."""

from dataclasses import replace

from rag.answer_gold import Gold
from rag.answers import Answer, Check, Citation, FinishReason, Usage
from rag.evaluate_answers import Judgement, judge, measure, report
from rag.trace import Trace
from rag.types import ContextPassage, Passage, Query, Ranking, Timing
from tests.rag.build import passage

DOCUMENTS = {"1": "one.md", "2": "two.md", "3": "three.md"}
FIRST, SECOND, THIRD = (passage(str(n), text=f"Text {n}.") for n in (1, 2, 3))


def cite(marker: int, of: Passage) -> Citation:
    return Citation(marker, of.id, (0, 6), (0, 6))


def trace(answer: Answer | None, *checks: Check) -> Trace:
    ranked = Ranking.of("final", "blend", [(FIRST, 3.0), (SECOND, 2.0), (THIRD, 1.0)])
    return Trace(
        query=Query(id="q", text="?", collections=("c",)),
        pipeline="p",
        spec={},
        fingerprint="f",
        index_version="v",
        readable=3,
        rankings=(ranked,),
        context=(ContextPassage(1, FIRST.id, 3), ContextPassage(2, SECOND.id, 3)),
        answer=answer,
        usage=Usage("m", 100, 20),
        timings=(Timing("generate", 50.0, 40.0),),
        first_ms=10.0,
        checks=checks,
    )


def test_one_answer_is_judged() -> None:
    answer = Answer(
        "Text 1. [1] Text 2. [2]", (cite(1, FIRST), cite(2, SECOND)), "answered", unknown_markers=1
    )
    checks = (
        Check((0, 7), "supported", (1,)),
        Check((12, 19), "unsupported", (2,)),
        Check((12, 19), "unchecked", (2,)),
    )
    found = judge(
        trace(answer, *checks), Gold(True, ("text 1",)), frozenset(("one.md", "three.md")), DOCUMENTS
    )
    assert found == Judgement(
        question="q",
        answerable=True,
        finish_reason="answered",
        said=1.0,
        cited=(1, 2),
        citable=(1, 1),  # three.md was not handed over: it could not be cited
        supported=(1, 2),
        unchecked=1,
        unknown_markers=1,
        tokens=20,
        first_ms=60.0,
        total_ms=90.0,
    )


def test_a_refusal_says_and_cites_nothing() -> None:
    found = judge(
        trace(Answer("No.", (), "no_answer")), Gold(True, ("x",)), frozenset(("one.md",)), DOCUMENTS
    )
    assert (found.refused, found.said, found.cited, found.citable) == (True, None, (0, 0), (0, 0))
    assert judge(trace(None), Gold(True), frozenset(), DOCUMENTS).finish_reason == "none"


def test_a_report_counts_what_the_words_say() -> None:
    base = judge(
        trace(Answer("Text 1. [1]", (cite(1, FIRST),), "answered")),
        Gold(True, ("text 1",)),
        frozenset(("one.md",)),
        DOCUMENTS,
    )
    refused: FinishReason = "no_answer"
    found = [
        base,
        replace(base, said=0.0, cited=(0, 1), citable=(0, 1), supported=(2, 3)),
        replace(base, finish_reason=refused, said=None, cited=(0, 0), citable=(0, 0)),
        replace(base, answerable=False, finish_reason=refused, said=None, cited=(0, 0), citable=(0, 0)),
        replace(base, answerable=False, said=None, cited=(0, 0), citable=(0, 0), supported=(0, 1)),
    ]
    made = report("p", "f", found)
    assert (made.questions, made.unanswerable) == (5, 2)
    assert made.answered == 2 / 3
    assert made.says_gold == 1 / 3
    assert made.says_gold_answered == 1 / 2
    assert (made.citation_precision, made.citation_recall) == (1 / 2, 1 / 2)
    assert made.supported == 2 / 4
    assert (made.refusal_precision, made.refusal_recall) == (1 / 2, 1 / 2)
    assert (made.first_ms, made.total_ms, made.tokens) == (60.0, 90.0, 20.0)


def test_where_there_is_nothing_to_count_there_is_no_number() -> None:
    made = report("p", "f", [])
    assert made.answered is None and made.supported is None and made.first_ms is None
    assert report("p", "f", [judge(trace(None), Gold(True), frozenset(), DOCUMENTS)]).refusal_recall is None


def test_every_question_is_asked_once_and_its_trace_is_seen() -> None:
    seen: list[str] = []
    found = measure(
        lambda query: replace(trace(Answer("Text 1.", (), "answered")), query=query),
        [("a", "First?"), ("b", "Second?")],
        {"a": Gold(True, ("text 1",)), "b": Gold(False)},
        {"a": {"one.md": 1, "two.md": 0}},
        DOCUMENTS,
        lambda trace, judgement: seen.append(f"{trace.query.text} {judgement.answerable}"),
    )
    assert seen == ["First? True", "Second? False"]
    assert [one.said for one in found] == [1.0, None]
    assert found[0].citable == (0, 1)
