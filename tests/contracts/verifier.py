"""What every verifier must do. Subclass `VerifierContract` and give the fixture `verifier`."""

import time
from dataclasses import replace

import pytest

from rag.answers import Answer, Check, Citation
from rag.types import Passage
from rag.verify.base import Verifier
from tests.rag.build import passage

LIGHT = (
    "The lighthouse was built in 1859 by Dr. Berg. It does not flash at night. "
    "The ferry leaves at seven in the morning."
)
FISH = "Fish is sold at the market of Skerra. It costs 3 crowns."
CONTEXT: list[tuple[int, Passage]] = [
    (1, passage("light", text=LIGHT, span=(100, 100 + len(LIGHT)), title="The island")),
    (2, passage("fish", text=FISH, span=(0, len(FISH)))),
]
QUESTION = "When was the lighthouse built?"


def quoting(*parts: tuple[int, str]) -> Answer:
    """An answer of quotations, as the extractive generator writes it."""
    text, citations = "", []
    for marker, quoted in parts:
        text += (" " if text else "") + "“"
        of = dict(CONTEXT)[marker]
        first = of.span[0] + of.text.index(quoted)
        span = (len(text), len(text) + len(quoted))
        citations.append(Citation(marker, of.id, (first, first + len(quoted)), span))
        text += f"{quoted}” [{marker}]"
    return Answer(text, tuple(citations), "answered")


def check(verifier: Verifier, answer: Answer | str, seconds: float = 60) -> tuple[Check, ...]:
    """The checks, after what holds for all of them."""
    said = answer if isinstance(answer, Answer) else Answer(answer, (), "answered")
    checks = verifier.check(QUESTION, said, CONTEXT, deadline=time.monotonic() + seconds)
    ends = 0
    for one in checks:
        start, end = one.span
        assert ends <= start < end <= len(said.text)
        ends = end
        words = said.text[start:end]
        assert words == words.strip() and any(c.isalnum() for c in words)
        assert one.verdict == "supported" or one.reason.endswith(".")
    return checks


class VerifierContract:
    def test_a_quotation_is_supported_without_any_time(self, verifier: Verifier) -> None:
        answer = quoting((1, "It does not flash at night."), (2, "It costs 3 crowns."))
        checks = check(verifier, answer, seconds=-1)
        assert [c.verdict for c in checks] == ["supported", "supported"]
        assert [answer.text[slice(*c.span)] for c in checks] == [
            "It does not flash at night.",
            "It costs 3 crowns.",
        ]
        assert [c.markers for c in checks] == [(1,), (2,)]

    def test_a_quotation_that_was_changed_is_not_taken_for_one(self, verifier: Verifier) -> None:
        answer = quoting((2, "It costs 3 crowns."))
        changed = replace(answer, text=answer.text.replace("3", "8"))
        assert [c.verdict for c in check(verifier, changed, seconds=-1)] == ["unchecked"]

    def test_a_sentence_about_something_else_is_unsupported(self, verifier: Verifier) -> None:
        checks = check(verifier, "Orchids of Madagascar bloom in winter gardens [2].")
        assert [(c.verdict, c.markers) for c in checks] == [("unsupported", (2,))]

    def test_a_sentence_that_says_the_same_is_supported(self, verifier: Verifier) -> None:
        checks = check(verifier, "The lighthouse was built by Dr. Berg in 1859 [1].")
        assert [c.verdict for c in checks] == ["supported"]

    def test_what_cites_nothing_or_what_is_not_there_is_unsupported(self, verifier: Verifier) -> None:
        checks = check(verifier, "The ferry leaves at seven. Fish is sold at the market [7].", seconds=-1)
        assert [(c.verdict, c.markers) for c in checks] == [("unsupported", ()), ("unsupported", (7,))]

    def test_without_time_nothing_is_guessed(self, verifier: Verifier) -> None:
        checks = check(verifier, "The lighthouse was built in 1859 [1]. Fish costs 3 crowns [2].", seconds=-1)
        assert [(c.verdict, c.score) for c in checks] == [("unchecked", None), ("unchecked", None)]

    @pytest.mark.parametrize(
        "text",
        ["", " \n\t", "[1]", "[1][2] [3]", "“” [1]", "…", "]]][[[1]", "\ud800 [1]", "\U000e0041\u202e x [1]"],
    )
    def test_odd_texts_are_no_error(self, verifier: Verifier, text: str) -> None:
        check(verifier, text)

    def test_other_scripts_are_checked(self, verifier: Verifier) -> None:
        checks = check(verifier, "船は七時に出ます [1]。 Ο φάρος χτίστηκε το 1859 [1].")
        assert [c.markers for c in checks] == [(1,), (1,)]
