"""An answer as the API gives it: each sentence with its check; what was understood, weighed and spent."""

import uuid
from dataclasses import replace

from rag.answers import Check, Confidence, Usage
from rag.types import Expansion, Rewriting
from search_app.api import results
from search_app.api.answer_shapes import AnswerResult
from tests.search_app.pages.build_trace import build

ID = uuid.UUID(int=7)


def answered(**changed: object) -> dict:  # type: ignore[type-arg]
    return results.answered(replace(build(), **changed), ID, str)  # type: ignore[arg-type]


def test_sentences_are_told_by_the_citations_where_nothing_checked_them() -> None:
    answer = answered()["answer"]
    assert [one["supported"] for one in answer["sentences"]] == ["true", "true", "true", "false"]
    start, end = answer["sentences"][3]["span"]
    assert answer["text"][start:end] == "Most years nobody notices."
    assert answer["sentences"][3]["reason"] == "It names no passage."
    assert (answer["unsupported"], answer["unknown_markers"]) == (1, 0)


def test_checks_of_the_trace_count_where_there_are_some() -> None:
    checks = (
        Check((0, 5), "supported", (1,), 0.9),
        Check((6, 9), "unsupported", (1, 2), 0.1, "The numbers differ."),
        Check((9, 12), "unchecked", (), None, "No time was left."),
    )
    answer = replace(build().answer, unknown_markers=2, finish_reason="stopped")  # type: ignore[type-var]
    told = answered(checks=checks, answer=answer)["answer"]
    assert [one["supported"] for one in told["sentences"]] == ["true", "false", "unchecked"]
    assert told["sentences"][1] == {
        "span": [6, 9],
        "supported": "false",
        "markers": [1, 2],
        "score": 0.1,
        "reason": "The numbers differ.",
    }
    assert (told["unsupported"], told["unknown_markers"], told["finish_reason"]) == (1, 2, "stopped")


def test_a_refusal_has_no_sentences() -> None:
    answer = results.answered(build(answered="no_answer"), ID, str)["answer"]
    assert (answer["finish_reason"], answer["sentences"], answer["unsupported"]) == ("no_answer", [], 0)


def test_what_was_understood_weighed_and_spent_is_told() -> None:
    told = answered(
        rewriting=Rewriting("What does the ferry cost?", "rule"),
        expansion=Expansion("multi_query", ("price of the ferry",), "chat"),
        confidence=Confidence(0.71, {"top": 0.9}),
        usage=Usage("chat", 900, 40, cached_tokens=512, server="2"),
    )
    assert told["rewritten"] == {"question": "What does the ferry cost?", "by": "rule"}
    assert told["expansion"]["texts"] == ("price of the ferry",)
    assert told["confidence"] == {"value": 0.71, "features": {"top": 0.9}}
    assert (told["usage"]["cached_tokens"], told["usage"]["server"]) == (512, "2")
    plain = answered()
    assert plain["rewritten"] is plain["expansion"] is plain["confidence"] is None
    assert plain.keys() == AnswerResult().fields.keys()


def test_a_passage_that_was_widened_is_told_as_it_was_handed_over() -> None:
    trace = build()
    passage = trace.handed[0][1]
    wide = replace(passage, text=passage.text + " More.", span=(passage.span[0], passage.span[1] + 6))
    told = answered(widened=(wide,))["passages"]
    (first,) = [one for one in told if one["passage_id"] == passage.id]
    assert first["text"].endswith(" More.") and first["span"] == list(wide.span)
