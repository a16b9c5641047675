"""Splitting, with an encoder that counts words: every law is checked on the real text."""

import random
import re
from collections.abc import Sequence

import pytest

from rag.parse.base import Heading, ParsedDocument
from rag.spec import SplitSpec
from rag.split import split
from rag.types import Passage


class Words:
    """One token a word or sign; no vectors, since splitting needs none."""

    fingerprint = "words"
    dimension = 1
    max_tokens = 60

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [m.span() for m in re.finditer(r"\w+|[^\w\s]", text)]


def passages(parsed: ParsedDocument, limit: int = 40, overlap: int = 8) -> list[Passage]:
    spec = SplitSpec(max_tokens=limit, overlap_tokens=overlap)
    return split(parsed, document_id="7", version=2, collection="c", encoder=Words(), spec=spec)  # type: ignore[arg-type]


def document(*sections: tuple[int, str, str], title: str = "") -> ParsedDocument:
    text, headings = "", []
    for level, heading, body in sections:
        if heading:
            headings.append(Heading(len(text), level, heading))
            text += heading + "\n\n"
        text += body + "\n\n"
    return ParsedDocument(title=title, text=text, headings=tuple(headings))


def words(n: int, word: str = "word") -> str:
    return " ".join(f"{word}{i}" for i in range(n))


def holds(parsed: ParsedDocument, found: Sequence[Passage], limit: int) -> None:
    covered = set()
    for position, p in enumerate(found):
        assert (p.id, p.position) == (f"7:2:{position}", position)
        assert p.text == parsed.text[p.span[0] : p.span[1]] == p.text.strip()
        assert len(Words().offsets(p.search_text)) <= limit
        covered.update(range(*p.span))
    missing = [i for i, c in enumerate(parsed.text) if not c.isspace() and i not in covered]
    assert missing == [], parsed.text[missing[0] :][:60]
    assert [p.span for p in found] == sorted(p.span for p in found)


def test_short_text_is_one_passage() -> None:
    parsed = document((1, "", "One. Two."), title="T")
    [only] = passages(parsed)
    assert (only.text, only.title, only.headings, only.page) == ("One. Two.", "T", (), None)


def test_sections_keep_their_heading_path() -> None:
    parsed = document((1, "A", words(25)), (2, "B", words(25)), (2, "C", words(25)), (1, "D", words(25)))
    found = passages(parsed)
    assert [p.headings for p in found] == [("A",), ("A", "B"), ("A", "C"), ("D",)]
    holds(parsed, found, 40)


def test_short_neighbours_stand_together_under_what_they_share() -> None:
    parsed = document((1, "A", ""), (2, "B", words(5)), (2, "C", words(5)))
    [only] = passages(parsed)
    assert only.headings == ("A",)


def test_a_long_paragraph_is_cut_between_sentences_and_overlaps() -> None:
    text = " ".join(f"Sentence number {i} has seven words." for i in range(20))
    parsed = document((1, "", text))
    found = passages(parsed, limit=40, overlap=8)
    holds(parsed, found, 40)
    assert all(p.text.startswith("Sentence") and p.text.endswith("words.") for p in found)
    assert all(b.span[0] < a.span[1] for a, b in zip(found, found[1:], strict=False))


def test_a_cut_paragraph_leaves_no_short_end() -> None:
    text = " ".join(f"Sentence number {i} has seven words." for i in range(11))  # 77 tokens
    found = passages(document((1, "", text)), limit=70, overlap=0)
    assert [p.tokens for p in found] == [42, 35]


def test_whole_paragraphs_do_not_overlap() -> None:
    parsed = document((1, "", "\n\n".join(words(15, w) for w in "abcdef")))
    found = passages(parsed)
    assert all(b.span[0] >= a.span[1] for a, b in zip(found, found[1:], strict=False))


def test_pages_are_where_a_passage_begins() -> None:
    text = words(30) + "\n\n" + words(30)
    parsed = ParsedDocument(title="", text=text, pages=(0, text.index("\n\n") + 2))
    assert [p.page for p in passages(parsed)] == [1, 2]


def test_headings_too_long_for_a_passage_lose_the_outer_ones() -> None:
    parsed = document((1, words(25, "outer"), ""), (2, "Inner", words(30)))
    found = passages(parsed)
    assert found[-1].headings == ("Inner",)
    holds(parsed, found, 40)


@pytest.mark.parametrize("seed", range(30))
def test_laws_hold_for_any_document(seed: int) -> None:
    draw = random.Random(seed)
    sections = [
        (
            draw.randint(1, 4),
            draw.choice(["", "Heading " + words(draw.randint(1, 30), "h")]),
            "\n\n".join(
                draw.choice([" ", "\n", ". ", "。"]).join(
                    "w" * draw.choice([1, 3, 300]) for _ in range(draw.randint(0, 120))
                )
                for _ in range(draw.randint(0, 5))
            ),
        )
        for _ in range(draw.randint(0, 8))
    ]
    parsed = document(*sections, title=words(draw.randint(0, 40), "title"))
    limit = draw.choice([16, 40, 60, 200])
    holds(parsed, passages(parsed, limit, draw.choice([0, 8, 32])), max(min(limit, 60), 16))
