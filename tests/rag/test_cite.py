import random
import re

import pytest

from rag.answers import Citation
from rag.cite import Citing
from rag.events import Delta
from tests.rag.build import passage

CONTEXT = [
    passage("far", text="Fish is sold at the market.", span=(0, 27)),
    passage(
        "island",
        text="This is the timetable. The ferry leaves at seven. It costs 12 euros. It is red.",
        span=(100, 179),
    ),
    passage("light", text="The lighthouse flashes three times. It was built in 1859.", span=(50, 107)),
]


def whole(text: str) -> tuple[str, list[tuple[int, str]], int]:
    """Clean text, each marker with what it stands for, and the unknown ones."""
    citing = Citing(CONTEXT)
    deltas = [citing.feed(text), citing.end()]
    assert "".join(d.text for d in deltas) == citing.text
    assert [c for d in deltas for c in d.citations] == citing.citations
    return (
        citing.text,
        [(c.marker, citing.text[slice(*c.answer_span)]) for c in citing.citations],
        citing.unknown,
    )


@pytest.mark.parametrize(
    ("raw", "text", "cited", "unknown"),
    [
        ("The ferry leaves at seven [2].", None, [(2, "The ferry leaves at seven")], 0),
        ("The ferry leaves at seven. [2]", None, [(2, "The ferry leaves at seven.")], 0),
        ("It leaves [2][3]. Fish [1].", None, [(2, "It leaves"), (3, "It leaves"), (1, "Fish")], 0),
        ("It leaves [2, 3].", "It leaves [2][3].", [(2, "It leaves"), (3, "It leaves")], 0),
        ("It leaves [1-3].", "It leaves [1][2][3].", [(n, "It leaves") for n in (1, 2, 3)], 0),
        ("It leaves [2] [2].", "It leaves [2].", [(2, "It leaves")], 0),
        ("It leaves [2]. [3] Fish [1].", None, [(2, "It leaves"), (3, "It leaves"), (1, "Fish")], 0),
        ("It leaves [2] and glows [3].", None, [(2, "It leaves"), (3, "and glows")], 0),
        ("One. Two. [1]", None, [(1, "Two.")], 0),
        ("[1] One. [2] Two.", None, [(1, "One."), (2, "Two.")], 0),
        ("[1] One. Two [2].", None, [(1, "One."), (2, "Two")], 0),
        ("- [1] One.\n- [2] Two.\n", "- [1] One.\n- [2] Two.", [(1, "One."), (2, "Two.")], 0),
        ("- One [1]\n- Two [2]", None, [(1, "One"), (2, "Two")], 0),
        ("One.\n\n[1]", None, [(1, "One.")], 0),
        ("It leaves [9].", "It leaves.", [], 1),
        ("It leaves [0][2].", "It leaves [2].", [(2, "It leaves")], 1),
        ("It leaves [9]and [4] goes [7, 8].", "It leaves and goes.", [], 4),
        ("It leaves [n].", "It leaves.", [], 1),
        ("It leaves [Passage 2] and 【3】 and [doc 1].", "It leaves [2] and [3] and [1].", None, 0),
        ("It leaves [^2] [2: The island] 【2†source】", "It leaves [2]", [(2, "It leaves")], 0),
        ("[1]", "", [], 0),
        ("[1] [2] ", "", [], 0),
        ("  \n It leaves [2] \n", "It leaves [2]", [(2, "It leaves")], 0),
        ("Great! [2] Good![3]", "Great! [2] Good! [3]", [(2, "Great!"), (3, "Good!")], 0),
        ("It was [sic] in [1932] so [", "It was (sic) in (1932) so (", [], 0),
        ("See [the page](https://evil.example/?q=1).", "See the page.", [], 0),
        ("See ![a map](https://evil.example/x.png) and ![b][ref]", "See a map and !(b)(ref)", [], 0),
        ("So [2](https://evil.example) it is.", "So [2] it is.", [(2, "So")], 0),
        ("So [2](a note) and\n[2]: http://e.x", "So [2] (a note) and\n[2] : http://e.x", None, 0),
        ("A <b>bold</b> <img src=x onerror=alert(1)> word<br>and 1 < 2", "A bold  word\nand 1 < 2", [], 0),
        ("<<b>b>x <scr<script>ipt>", "< b>x < script>", [], 0),
        ("List<int> <https://a.example>", "List< int> https://a.example", [], 0),
        ("Fish\u202e is\U000e0041\U000e0042 sold [\u200b1].", "Fish is sold [1].", [(1, "Fish is sold")], 0),
        ("An open <img src=x", "An open < img src=x", [], 0),
    ],
)  # fmt: skip
def test_what_is_shown_and_what_it_stands_on(
    raw: str, text: str | None, cited: list[tuple[int, str]] | None, unknown: int
) -> None:
    clean, found, missed = whole(raw)
    assert clean == (raw if text is None else text)
    assert cited is None or found == cited
    assert missed == unknown


RAW = [
    "The ferry leaves at seven [2]. It costs 12 euros [2][3]. Unknown [9] here.",
    "[1] One is so. [2, 3] Two!\n\n- [3] Three [0]\n- Four [12] [Passage 2].",
    "See [a page](https://x.example/(a)b) ![i](u) <b>x</b> a<b [sic] 【2】 [2](http://x) end [",
    "No. [1]\n[2]\n\n[3]: http://evil.example <img src='[1]'> [![a](b)](c) !",
    "Ünï “quoted.” [2] 東京は大きい。[1] x\u202ey\u200b [\u200b1]![2]",
]


@pytest.mark.parametrize("raw", RAW)
def test_every_way_to_cut_it_gives_the_same(raw: str) -> None:
    expected = whole(raw)
    ways = [[raw[:at], raw[at:]] for at in range(len(raw) + 1)] + [list(raw)]
    chance = random.Random(1)
    for _ in range(40):
        cuts = sorted(chance.sample(range(1, len(raw)), 6))
        ways.append([raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)] + [""])
    for pieces in ways:
        citing = Citing(CONTEXT)
        shown: list[Delta] = []
        for piece in pieces:
            shown.append(citing.feed(piece))
            safe("".join(d.text for d in shown))
        shown.append(citing.end())
        text = "".join(d.text for d in shown)
        cited = [(c.marker, text[slice(*c.answer_span)]) for d in shown for c in d.citations]
        assert (text, cited, citing.unknown) == expected, pieces


def safe(text: str) -> None:
    """What holds for every text that is shown, whole or so far."""
    rest = re.sub(r"\[[1-3]\]", "", text)
    assert "[" not in rest and "]" not in rest, text
    assert not re.search(r"<[a-zA-Z/!?]", text), text
    assert not re.search(r"\][(:]", text), text
    assert text == text.lstrip()


def test_no_text_at_all_gets_past_it() -> None:
    signs = [*"[]()<>!:/ab1 29n\n【】,-.", "[1]", "[9]", "](", "![", "<b>", "</b", "<img "]
    signs += ["http://x", "[1](", "<!--"]
    chance = random.Random(3)
    for _ in range(1000):
        raw = "".join(chance.choices(signs, k=chance.randint(1, 25)))
        text, _, _ = expected = whole(raw)
        safe(text)
        citing = Citing(CONTEXT)
        at = chance.randint(0, len(raw))
        deltas = [citing.feed(raw[:at]), *(citing.feed(letter) for letter in raw[at:]), citing.end()]
        assert "".join(d.text for d in deltas) == text, raw
        markers = re.findall(r"\[(\d)\]", text)
        assert sorted(markers) == sorted(str(c.marker) for c in citing.citations), raw
        for citation in citing.citations:
            start, end = citation.answer_span
            assert 0 <= start < end <= len(text), raw
        assert expected[2] == citing.unknown


def cited(raw: str) -> list[str]:
    citing = Citing(CONTEXT)
    citing.feed(raw)
    citing.end()
    found = []
    for c in citing.citations:
        of = CONTEXT[c.marker - 1]
        assert of.id == c.passage_id
        found.append(of.text[c.span[0] - of.span[0] : c.span[1] - of.span[0]])
    return found


def test_a_citation_lands_on_the_sentence_that_carries_it() -> None:
    assert cited("Every day the ferry is leaving at seven [2].") == ["The ferry leaves at seven."]
    assert cited("A ticket is 12 euros [2].") == ["It costs 12 euros."]
    assert cited("The ferry leaves at seven and costs 12 euros [2].") == [
        "The ferry leaves at seven. It costs 12 euros."
    ]
    assert cited("Es wurde 1859 gebaut [3].") == ["It was built in 1859."]
    assert cited("Nichts davon [1].") == ["Fish is sold at the market."]


def test_citations_come_with_the_text_that_completes_them() -> None:
    citing = Citing(CONTEXT)
    assert citing.feed("The ferry leaves at seven [") == Delta("The ferry leaves at seven")
    assert citing.feed("2") == Delta("")
    first = citing.feed("]. And")
    assert first.text == " [2]. And"
    assert first.citations == (Citation(2, "island:1:0", (123, 149), (0, 25)),)
    assert citing.end() == Delta("")


def test_what_never_closes_is_not_held_for_long() -> None:
    citing = Citing(CONTEXT)
    shown = citing.feed("A [" + "x" * 1000).text
    assert len(shown) > 900 and citing.end().text + shown != ""
