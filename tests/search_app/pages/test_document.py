"""A document by value: blocks lose nothing, the cited words are marked once in place, text stays text."""

import pytest
from django.template.loader import render_to_string

from search_app.pages.document import blocks, document_context

TEXT = "Title\n\nIntro words.\n\nPart one\nBody of part one, with words.\n\n\nPart two\n\nThe end."
HEADINGS = [(0, 1, "Title"), (TEXT.index("Part one"), 2, "Part one"), (TEXT.index("Part two"), 2, "Part two")]


def joined(text: str, *rest: object) -> str:
    return "".join(block.text + block.gap for block in blocks(text, *rest))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [TEXT, "\n\n" + TEXT + "\n\n", "", "\n\n\n", "no heading", "a\n\n\n\nb"])
@pytest.mark.parametrize("pages", [[], [0], [0, 7], [0, 5, 6, 20], [3, 900]])
def test_blocks_joined_are_the_text(text: str, pages: list[int]) -> None:
    assert joined(text, HEADINGS, pages, (2, 30)) == text


def test_headings_and_pages_stand_where_they_begin() -> None:
    page_two = TEXT.index("Part two")
    found = blocks(TEXT, HEADINGS, [0, page_two])
    assert [(b.text, b.level) for b in found if b.kind == "heading"] == [
        ("Title", 1),
        ("Part one", 2),
        ("Part two", 2),
    ]
    assert [(b.page, b.text) for b in found if b.page] == [(1, "Title"), (2, "Part two")]


def test_the_cited_words_are_marked_in_place_and_have_one_anchor() -> None:
    start = TEXT.index("Body")
    context = document_context("Doc", TEXT, HEADINGS, [0, start], (start, start + 16))
    html = render_to_string("document/page.html", context)
    assert '<mark id="cited">Body of part one</mark>, with words.' in html
    assert html.count("<mark") == 1 and context["cited_page"] == 2


def test_words_cited_across_a_heading_are_marked_in_each_block() -> None:
    start, end = TEXT.index("with words"), TEXT.index("The end") + 3
    html = render_to_string("document/page.html", document_context("Doc", TEXT, HEADINGS, [], (start, end)))
    assert html.count("<mark") == 3 and html.count('id="cited"') == 1


@pytest.mark.parametrize("span", [(900, 950), (-5, -1), (5, 5)])
def test_a_span_outside_the_text_opens_the_document_and_says_so(span: tuple[int, int]) -> None:
    html = render_to_string("document/page.html", document_context("Doc", TEXT, HEADINGS, [], span))
    assert "not in this text any more" in html and "The end." in html


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img onerror=x>', "</div></main>", "{% now %}"]
)
def test_hostile_text_is_text(text: str) -> None:
    html = render_to_string(
        "document/page.html", document_context(text, text + "\nbody", [(0, 1, text)], [], (0, 4))
    )
    assert "<script>" not in html and "<img" not in html
    assert html.count("</main>") == 1
