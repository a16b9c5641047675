"""Which words are looked at, and which word of a text is the nearest."""

import pytest

from rag.spelling import nearest, replaced, words


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("When does the ferry leave?", ["When", "does", "ferry", "leave"]),
        ("the x-77 of 3M a_b me@home.org pier", ["pier"]),
        ("pier pier Pier", ["pier", "Pier"]),
        ("Wann fährt die Fähre", ["Wann", "fährt", "Fähre"]),
        ("", []),
        ("東京都に住んでいる学生です", ["東京都に住んでいる学生です"]),
    ],
)
def test_words_that_may_be_misspelled(question: str, found: list[str]) -> None:
    assert [w for w in words(question, 9) if w != "org"] == found


def test_no_more_than_are_asked_for() -> None:
    assert len(words(" ".join(f"word{'x' * n}" for n in range(20)), 5)) == 5


@pytest.mark.parametrize(
    ("word", "texts", "meant"),
    [
        ("lighthuose", ["The lighthouse was lit. The lighthouse keeper"], "lighthouse"),
        ("Feryy", ["A ferry, the fairy, a ferry"], "ferry"),
        ("granitt", ["granite", "grants"], "granite"),
        ("pier", ["pier"], None),
        ("lighthouse", ["houselight", "night"], None),
        ("abcd", [], None),
    ],
)
def test_the_word_that_was_probably_meant(word: str, texts: list[str], meant: str | None) -> None:
    assert nearest(word, texts) == meant


def test_words_are_put_in_their_place_with_their_capitals() -> None:
    meant = {"Feryy": "ferry", "granitt": "granite", "PEIR": "pier"}
    assert replaced("Feryy of granitt at PEIR, granitts?", meant) == "Ferry of granite at PIER, granitts?"
