import random

import pytest

from rag.sentences import sentences

CASES = {
    "plain": ["One ends here.", "Two, too!", "Three?", "And no end"],
    "abbreviations": ["Dr. Smith et al. met Mrs. Jones, i.e. the editor.", "They left at 5 p.m. on Monday."],
    "initials": ["J. R. R. Tolkien lived in the U.K. from then on.", "He moved to the U.S. Army base."],
    "end after an abbreviation in capitals": ["He lives in the U.S.", "The law is old."],
    "numbers": [
        "It rose by 3.5 to 1,000.25 on 1.2.2024.",
        "Version 2.0.",
        "12 people came.",
        "See Fig. 3 and No. 5.",
    ],
    "no": ["I said no.", "Then I left."],
    "quotes": ["“Really?” he asked.", "(It was so.)", "He said: “Go.”", "We went."],
    "dots": ["Well... maybe not.", "What?!", "Nothing…", "Done."],
    "chinese": ["东京是日本的首都。", "人口很多！", "你知道吗？", "「是的。」", "好"],
    "german": ["Das gilt z. B. für Nr. 5 nicht.", "Es kostet ca. 3,50 €."],
}


@pytest.mark.parametrize("expected", CASES.values(), ids=CASES.keys())
def test_running_text(expected: list[str]) -> None:
    joined = ("" if "。" in expected[0] else " ").join(expected)
    assert [joined[a:b] for a, b in sentences(joined)] == expected


LINES = {
    "list": [
        "1. Fill in the form.",
        "Sign it.",
        "2. Send it",
        "- to the harbour office",
        "- or to the town hall",
    ],
    "table": ["Name\tAge", "Berg\t53", "Port | Ships", "Skerra | 3"],
    "short lines": ["Opening hours", "Monday to Friday", "9 to 12"],
    "heading": ["# The harbour", "It is open all year."],
}


@pytest.mark.parametrize("expected", LINES.values(), ids=LINES.keys())
def test_lines(expected: list[str]) -> None:
    joined = "\n".join(expected)
    assert [joined[a:b] for a, b in sentences(joined)] == expected


def test_a_wrapped_paragraph_is_not_cut_at_its_lines() -> None:
    text = (
        "The lighthouse of the outer island was built after the loss\n"
        "of a ship, and has been kept by the same family ever since,\n"
        "says the log. It is open.\n\nAnother paragraph"
    )
    parts = [text[a:b] for a, b in sentences(text)]
    assert [part[:10] for part in parts] == ["The lighth", "It is open", "Another pa"]


def test_a_wrapped_list_item_is_one_sentence() -> None:
    text = "- an item that is long enough to be wrapped by\n  its editor and goes on here\n- another"
    assert len(sentences(text)) == 2


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\n"])
def test_nothing(text: str) -> None:
    assert sentences(text) == []


def test_nothing_but_white_space_is_left_out_whatever_the_text() -> None:
    letters = random.Random(1)
    for length in (1, 7, 50, 400):
        for _ in range(100):
            text = "".join(letters.choices("aB3.!?…。\n\n  \t|-\"')”e.g.", k=length))
            spans = sentences(text)
            edges = [0, *(edge for span in spans for edge in span), len(text)]
            assert edges == sorted(edges)
            assert all(not text[a:b].strip() for a, b in zip(edges[::2], edges[1::2], strict=True))
            assert all(text[a:b] == text[a:b].strip() != "" for a, b in spans)


@pytest.mark.parametrize(
    "text", ["." * 200_000, 'a."' * 100_000, "| " * 200_000, ". " * 100_000, "a " * 200_000]
)
def test_hostile_texts_take_no_longer_than_others(text: str) -> None:
    assert sentences(text)
