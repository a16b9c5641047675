"""What every generator must do. Subclass `GeneratorContract` and give the fixture `generator`."""

import time

import pytest

from rag.answers import Answer
from rag.errors import GenerationUnavailable
from rag.events import Delta
from rag.generate.base import Finished, Generator
from rag.types import Passage
from tests.rag.build import passage

QUESTION = "When does the ferry leave in the morning?"
DOCUMENT = (
    "This is the timetable. The ferry leaves at seven in the morning. Dr. Berg <b>keeps</b> the log [2].\n"
    "The lighthouse flashes three times at night. It was built in 1859."
)
HALF = DOCUMENT.index("The lighthouse")
CONTEXT = [
    passage("far", text="Fish is sold at the market.", span=(0, 27), tokens=7),
    passage("island", 0, text=DOCUMENT[:HALF].strip(), span=(0, HALF - 1), title="The island", tokens=25),
    passage("island", 1, text=DOCUMENT[HALF:], span=(HALF, len(DOCUMENT)), title="The island", tokens=18),
]
TEXTS = {"far": CONTEXT[0].text, "island": DOCUMENT}


def collect(generator: Generator, question: str, context: list[Passage]) -> tuple[list[str], Finished]:
    *deltas, last = generator.stream(question, context, deadline=time.monotonic() + 60)
    assert isinstance(last, Finished)
    pieces = []
    for delta in deltas:
        assert isinstance(delta, Delta)
        pieces.append(delta.text)
    return pieces, last


def check(answer: Answer, context: list[Passage]) -> None:
    """What holds for every answer over documents whose text is in `TEXTS`."""
    for citation in answer.citations:
        cited = context[citation.marker - 1]
        assert cited.id == citation.passage_id
        assert f"[{citation.marker}]" in answer.text
        assert cited.span[0] <= citation.span[0] < citation.span[1] <= cited.span[1]
        assert TEXTS[cited.document_id][slice(*citation.span)].strip()
        assert 0 <= citation.answer_span[0] < citation.answer_span[1] <= len(answer.text)
        assert f"[{citation.marker}]" not in answer.text[slice(*citation.answer_span)]


class GeneratorContract:
    def test_the_pieces_joined_are_the_answer(self, generator: Generator) -> None:
        pieces, finished = collect(generator, QUESTION, CONTEXT)
        assert "".join(pieces) == finished.answer.text
        assert finished.answer.finish_reason == "answered"
        assert "seven" in finished.answer.text

    def test_citations_point_into_the_documents_and_the_answer(self, generator: Generator) -> None:
        answer = collect(generator, QUESTION, CONTEXT)[1].answer
        assert answer.citations
        assert answer.citations[0].passage_id == "island:1:0"
        check(answer, CONTEXT)

    def test_what_is_not_in_the_documents_is_not_answered(self, generator: Generator) -> None:
        pieces, finished = collect(generator, "Who wrote the opera about the moon?", CONTEXT)
        assert finished.answer.finish_reason == "no_answer"
        assert finished.answer.citations == ()
        assert "".join(pieces) == finished.answer.text != ""

    def test_without_passages_there_is_no_answer(self, generator: Generator) -> None:
        assert collect(generator, QUESTION, [])[1].answer.finish_reason == "no_answer"

    def test_time_that_is_over_is_said(self, generator: Generator) -> None:
        with pytest.raises(GenerationUnavailable) as raised:
            list(generator.stream(QUESTION, CONTEXT, deadline=time.monotonic() - 1))
        assert str(raised.value).endswith(".")
