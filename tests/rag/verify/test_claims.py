"""Answers cut into sentences with what they cite."""

import pytest

from rag.answers import Answer
from rag.verify.claims import claims, leads_only, stands_verbatim
from tests.contracts.verifier import CONTEXT, quoting
from tests.rag.build import passage


def cut(text: str) -> list[tuple[str, tuple[int, ...]]]:
    return [
        (text[slice(*claim.span)], claim.markers) for claim in claims(Answer(text, (), "answered"), CONTEXT)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains [1]. It snows [2].", [("It rains", (1,)), ("It snows", (2,))]),
        ("It rains. [1] It snows. [2]", [("It rains.", (1,)), ("It snows.", (2,))]),
        ("It rains [1, 3]. It snows [2][1].", [("It rains", (1, 3)), ("It snows", (2, 1))]),
        ("It rains [1] and it snows [2].", [("It rains [1] and it snows", (1, 2))]),
        ("It rains. It snows [2].", [("It rains.", ()), ("It snows", (2,))]),
        ("- It rains [1]\n- It snows [2]", [("- It rains", (1,)), ("- It snows", (2,))]),
        ("[1] It rains.\n[2] It snows.", [("It rains.", (1,)), ("It snows.", (2,))]),
        ("It rains [1] [1].", [("It rains", (1,))]),
        ("It rains [99].", [("It rains", (99,))]),
        ("Dr. Berg came at 3.5 p.m. by ship [1].", [("Dr. Berg came at 3.5 p.m. by ship", (1,))]),
        ("Use a[1234] and b[x].", [("Use a[1234] and b[x].", ())]),
    ],
)
def test_each_marker_belongs_to_one_sentence(text: str, expected: list[tuple[str, tuple[int, ...]]]) -> None:
    assert cut(text) == expected


def test_a_quotation_is_one_claim_whatever_is_inside_it() -> None:
    quoted = "It does not flash at night. The ferry leaves at seven in the morning."
    found = claims(quoting((1, quoted), (2, "Fish is sold at the market of Skerra.")), CONTEXT)
    assert [(claim.text, claim.markers, claim.verbatim) for claim in found] == [
        (quoted, (1,), True),
        ("Fish is sold at the market of Skerra.", (2,), True),
    ]


def test_a_quotation_inside_a_sentence_does_not_cut_it() -> None:
    answer = quoting((1, "It does not flash at night. The ferry leaves at seven in the morning."))
    text = "The book says " + answer.text + " Fish is cheap [2]."
    moved = [
        c.__class__(c.marker, c.passage_id, c.span, (c.answer_span[0] + 14, c.answer_span[1] + 14))
        for c in answer.citations
    ]
    found = claims(Answer(text, tuple(moved), "answered"), CONTEXT)
    assert [claim.markers for claim in found] == [(1,), (2,)]
    assert found[1].text == "Fish is cheap ."


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("Here is what the handbook says:", True),
        ("The documents do not mention a discount.", True),
        ("I don't have information about that.", True),
        ("The 3 steps are:", False),
        ("The ferry does not run on Sundays.", False),
        ("Dogs are welcome.", False),
    ],
)
def test_what_claims_nothing(text: str, leads: bool) -> None:
    (claim,) = claims(Answer(text, (), "answered"), CONTEXT)
    assert leads_only(claim) is leads


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("it does not flash  AT night", True),
        ("“The ferry leaves at seven in the morning.”", True),
        ("It flashes at night.", False),
        ("The ferry leaves at seven.", False),
        ("Does not flash at night", False),
    ],
)
def test_only_whole_sentences_stand_verbatim(text: str, stands: bool) -> None:
    (claim,) = claims(Answer(text, (), "answered"), CONTEXT)
    assert stands_verbatim(claim, [CONTEXT[0][1]]) is stands


def test_a_part_of_a_denied_sentence_is_not_verbatim() -> None:
    (claim,) = claims(Answer("Dogs may come aboard.", (), "answered"), CONTEXT)
    assert not stands_verbatim(claim, [passage(text="It is false that dogs may come aboard.")])
