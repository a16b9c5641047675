"""Numbers, names and denials of a sentence, worked out by hand."""

import pytest

from rag.verify.facts import denied, initials, names, numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,234.50 m", {"1234.5": {"metre"}}),
        ("twelve men", {"12": set()}),
        ("one of them", {}),
        ("the 3rd day", {"3": {"day"}}),
        ("12.5%, and 007", {"12.5": {"percent"}, "7": set()}),
        ("the 1990s and -40", {"1990": set(), "40": set()}),
        ("5 million in 10 January", {"5": {"million"}, "10": {"january"}}),
        ("version B2B", {}),
        ("٣ crowns", {"٣": set()}),
    ],
)
def test_numbers_are_in_digits_with_their_units(text: str, found: dict[str, set[str]]) -> None:
    assert numbers(text) == {number: frozenset(units) for number, units in found.items()}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("However, John Smith came to Skerra's port.", ["John", "Smith", "Skerra"]),
        ("Guinea pigs eat grass.", []),
        ("When Berg left the NATO in May", ["Berg", "NATO", "May"]),
        ("Ämter und Straßen", ["Straßen"]),
        ("", []),
    ],
)
def test_names_are_capitalised_words(text: str, found: list[str]) -> None:
    assert names(text) == found


def test_initials_of_names_in_a_row() -> None:
    assert {"usa", "us"} <= initials("in the United States of America there")
    assert initials("nothing of this") == frozenset()


def test_what_stands_behind_a_denial_is_denied() -> None:
    assert "allow" in denied("It does not allow refunds.")
    assert "sold" in denied("It can't be sold.")
    assert denied("He can sing. A don came.") == set()
    assert "moon" not in denied("It is not, the moon says.")
