"""Cutting at spans: nothing is lost, whatever the spans are."""

import pytest

from search_app.pages.spans import cut, excerpt, merged, unwrapped

TEXT = "The hive stays closed until noon. Then it may be opened, briefly, out of the wind."


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [(0, 8)],
        [(9, 14), (4, 8)],
        [(0, 500)],
        [(-5, 3)],
        [(7, 7)],
        [(9, 3)],
        [(0, 10), (5, 20)],
        [(200, 300)],
    ],
)
def test_pieces_joined_are_the_text(spans: list[tuple[int, int]]) -> None:
    assert "".join(piece.text for piece in cut(TEXT, spans)) == TEXT


def test_overlapping_spans_are_one() -> None:
    assert merged([(5, 20), (0, 10), (20, 22), (40, 41)], 100) == [(0, 22), (40, 41)]
    assert [p.text for p in cut(TEXT, [(4, 8), (6, 14)]) if p.cited] == ["hive stays"]


def test_an_excerpt_keeps_every_cited_word() -> None:
    text = "before " * 100 + "THE CITED WORDS" + " after" * 100
    start = text.index("THE")
    pieces, before, after = excerpt(cut(text, [(start, start + 15)]), 40, 100)
    shown = "".join(piece.text for piece in pieces)
    assert "THE CITED WORDS" in shown and before and after and len(shown) < 260
    assert shown in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one line\nthat wrapped", "one line that wrapped"),
        ("a paragraph\n\n\nand the next", "a paragraph\nand the next"),
        ("these:\n- one\n- two\n12. three", "these:\n- one\n- two\n12. three"),
        ("minus\n-5 degrees", "minus -5 degrees"),
    ],
)
def test_only_lines_that_wrapped_are_joined(text: str, shown: str) -> None:
    assert unwrapped(text) == shown


def test_a_short_passage_is_shown_whole() -> None:
    pieces, before, after = excerpt(cut(TEXT, [(4, 8)]), 120, 320)
    assert ("".join(p.text for p in pieces), before, after) == (TEXT, False, False)
