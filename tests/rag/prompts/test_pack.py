from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag.encode.hashing import HashingEncoder
from rag.parse.base import Heading, ParsedDocument
from rag.prompts.neighbours import join, touch
from rag.prompts.pack import Packing, pack
from rag.spec import ContextSpec, SplitSpec
from rag.split import split
from rag.types import Candidate, Passage
from tests.rag.build import passage

TEXT = "Alpha one two. Beta three four.\n\nGamma five six. Delta seven eight.\n\nLast words here."
SPANS = [(0, 14), (15, 31), (33, 48), (49, 67), (69, 85)]
PARTS = [
    passage("d", place, text=TEXT[slice(*span)], span=span, tokens=10) for place, span in enumerate(SPANS)
]


def candidates(*texts_and_tokens: tuple[str, int]) -> list[Candidate]:
    return ranked(
        [passage(f"d{i}", text=text, tokens=tokens) for i, (text, tokens) in enumerate(texts_and_tokens)]
    )


def ranked(passages: Sequence[Passage]) -> list[Candidate]:
    return [Candidate(one, 1.0 - i / 10) for i, one in enumerate(passages)]


def around(ids: Sequence[str]) -> Sequence[Passage | None]:
    known = {p.id: p for p in PARTS}
    return [known.get(pid) for pid in ids]


def spec(**chosen: object) -> ContextSpec:
    return ContextSpec(**{"top": 5, "max_tokens": 1000, **chosen})  # type: ignore[arg-type]


def texts(packing: Packing) -> list[str]:
    return [p.text for p in packing.passages]


def test_takes_the_best_until_the_number_is_reached() -> None:
    packing = pack(candidates(("a", 5), ("b", 5), ("c", 5)), spec(top=2))
    assert texts(packing) == ["a", "b"]
    assert [(c.marker, c.tokens) for c in packing.context] == [(1, 5), (2, 5)]
    assert (packing.dropped, packing.widened) == ((), ())


def test_says_why_a_passage_was_left_out() -> None:
    given = candidates(("a  b", 60), ("a b", 5), ("long", 50), ("c", 5))
    packing = pack(given, spec(top=3, max_tokens=64))
    assert texts(packing) == ["a  b"]
    reasons = dict(packing.dropped)
    assert reasons["d1:1:0"] == "same text as passage 1"
    assert reasons["d2:1:0"] == "did not fit: 110 of 64 tokens"
    assert reasons["d3:1:0"] == "did not fit: 65 of 64 tokens"


def test_the_first_is_taken_even_when_it_is_too_long() -> None:
    assert len(pack(candidates(("a", 500)), spec(max_tokens=64)).passages) == 1


def test_tokens_are_counted_by_the_generator_many_at_once() -> None:
    calls: list[list[str]] = []

    def count(asked: Sequence[str]) -> list[int]:
        calls.append(list(asked))
        return [30 for _ in asked]

    titled = [replace(c.passage, title="T") for c in candidates(("a", 5), ("b", 5), ("c", 5))]
    packing = pack(ranked(titled), spec(max_tokens=64), count=count)
    assert [c.tokens for c in packing.context] == [30, 30]
    assert dict(packing.dropped) == {"d2:1:0": "did not fit: 90 of 64 tokens"}
    assert calls == [["T\na", "T\nb", "T\nc"]]


def test_no_more_than_the_model_can_read_and_of_a_long_passage_its_beginning() -> None:
    def count(asked: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in asked]

    long = "one two three four five six seven eight nine ten " * 10
    packing = pack(candidates((long, 5), ("b", 5)), spec(), count=count, room=25)
    (cut,) = packing.widened
    assert len(cut.text.split()) <= 25 and long.startswith(cut.text)
    assert cut.span == (0, len(cut.text)) and cut.id == "d0:1:0"
    reasons = dict(packing.dropped)
    assert reasons["d0:1:0"] == "its end did not fit: 100 of 25 tokens that the model can read"
    packing = pack(candidates(("a " * 20, 5), ("b " * 20, 5)), spec(), count=count, room=25)
    assert dict(packing.dropped) == {"d1:1:0": "did not fit: 40 of 25 tokens that the model can read"}


def test_near_duplicates_are_left_out_and_what_says_more_is_not() -> None:
    first = "The ferry leaves the island at seven in the morning every day of the week."
    given = candidates(
        (first, 5),
        (first.replace("every", "each"), 5),
        ("It is red and takes sixty people and one lorry over the sound in all weathers. " + first, 5),
        ("Fish is sold at the market.", 5),
    )
    packing = pack(given, spec(near_duplicates=0.7))
    assert [c.passage_id for c in packing.context] == ["d0:1:0", "d2:1:0", "d3:1:0"]
    assert dict(packing.dropped) == {"d1:1:0": "nearly the same text as passage 1: it has 77% of its words"}
    assert len(pack(given, spec()).passages) == 4


def test_no_more_than_so_many_of_one_document() -> None:
    packing = pack(ranked([PARTS[0], PARTS[2], PARTS[4], passage("e")]), spec(per_document=2))
    assert [c.passage_id for c in packing.context] == ["d:1:0", "d:1:2", "e:1:0"]
    assert dict(packing.dropped) == {"d:1:4": "2 passages of its document came before"}


def test_neighbours_are_one_passage_under_the_better_ones_id() -> None:
    packing = pack(ranked([PARTS[3], passage("e"), PARTS[2], PARTS[0]]), spec(merge=True))
    assert [c.passage_id for c in packing.context] == ["d:1:3", "e:1:0", "d:1:0"]
    (whole,) = packing.widened
    assert (whole.id, whole.span) == ("d:1:3", (33, 67))
    assert whole.text == "Gamma five six.\nDelta seven eight."
    assert dict(packing.dropped) == {
        "d:1:2": "handed over as a part of passage 1, beside which it stands",
    }
    assert packing.passages[0] == whole


def test_a_passage_between_two_makes_them_one_and_the_numbers_close_up() -> None:
    given = [passage("e"), PARTS[3], passage("f"), PARTS[1], PARTS[2], passage("g", text="text of e 0")]
    packing = pack(ranked(given), spec(merge=True))
    assert [c.passage_id for c in packing.context] == ["e:1:0", "d:1:3", "f:1:0"]
    assert packing.passages[1].span == (15, 67)
    assert packing.passages[1].text == "Beta three four.\n\nGamma five six.\nDelta seven eight."
    assert dict(packing.dropped)["d:1:1"].startswith("handed over as a part of passage 2")
    assert dict(packing.dropped)["g:1:0"] == "same text as passage 1"


def test_a_merged_passage_must_fit() -> None:
    packing = pack(ranked([PARTS[0], replace(PARTS[1], tokens=60)]), spec(merge=True, max_tokens=64))
    assert [c.passage_id for c in packing.context] == ["d:1:0"]
    assert dict(packing.dropped) == {"d:1:1": "did not fit: 70 of 64 tokens"}


def test_what_overlaps_is_not_doubled_and_what_does_not_touch_is_not_merged() -> None:
    one = passage("d", 0, text="abcdef", span=(0, 6))
    assert join(passage("d", 1, text="efgh", span=(4, 8)), one).text == "abcdefgh"
    assert join(one, passage("d", 1, text="cd", span=(2, 4))).text == "abcdef"
    assert not touch(one, passage("d", 1, text="efgh", span=(3, 7)))
    assert not touch(one, passage("d", 1, text="xy", span=(40, 42)))
    assert not touch(one, passage("e", 1, text="gh", span=(6, 8)))
    assert not touch(one, passage("d", 1, text="gh", span=(6, 9)))
    assert not touch(one, replace(passage("d", 1, text="gh", span=(6, 8)), version=2))
    apart = [one, passage("d", 1, text="xy", span=(40, 42))]
    assert len(pack(ranked(apart), spec(merge=True)).passages) == 2


def test_a_passage_is_widened_by_its_section_while_it_fits() -> None:
    packing = pack(ranked([PARTS[2]]), spec(section_tokens=40), around=around)
    (whole,) = packing.widened
    assert (whole.id, whole.span, whole.tokens) == ("d:1:2", (15, 85), 40)
    assert whole.text == TEXT[15:85].replace(". Delta", ".\nDelta")
    assert packing.context[0].tokens == 40
    assert pack(ranked([PARTS[2]]), spec(section_tokens=40, max_tokens=64), around=around).widened
    assert not pack(ranked([PARTS[2]]), spec(section_tokens=19), around=around).widened
    assert not pack(ranked([PARTS[2]]), spec(section_tokens=40)).widened


def test_widening_ends_at_other_headings_and_at_other_passages() -> None:
    def sections(ids: Sequence[str]) -> Sequence[Passage | None]:
        return [p and replace(p, headings=("A",) if p.position < 2 else ("B",)) for p in around(ids)]

    best = replace(PARTS[2], headings=("B",))
    (whole,) = pack(ranked([best]), spec(section_tokens=500), around=sections).widened
    assert whole.span == (33, 85)
    packing = pack(ranked([PARTS[1], PARTS[3]]), spec(section_tokens=500), around=around)
    assert [p.span for p in packing.passages] == [(0, 48), (49, 85)]


def test_best_first_each_takes_what_is_left_of_the_budget() -> None:
    packing = pack(
        ranked([passage("e", tokens=40), PARTS[2]]), spec(section_tokens=500, max_tokens=64), around=around
    )
    assert [c.tokens for c in packing.context] == [40, 20]


@pytest.mark.parametrize("name", sorted(p.name for p in Path("tests/data/harbour").glob("*.md")))
def test_what_is_joined_is_the_documents_text_but_for_white_space_between(name: str) -> None:
    text = Path("tests/data/harbour", name).read_text("utf-8").strip() * 3
    parsed = ParsedDocument(title=name, text=text, headings=(Heading(0, 1, "First"),))
    for size, overlap in ((16, 0), (24, 8), (60, 20)):
        parts = split(
            parsed,
            document_id="d",
            version=1,
            collection="c",
            encoder=HashingEncoder(),
            spec=SplitSpec(max_tokens=size, overlap_tokens=overlap),
        )
        whole = parts[0]
        for part in parts[1:]:
            assert touch(whole, part)
            whole = join(whole, part)
        start, end = whole.span
        assert len(whole.text) == end - start
        assert all(
            one == other or (one.isspace() and other.isspace())
            for one, other in zip(whole.text, text[start:end], strict=True)
        )
