"""What every index does with filters. Subclass `FilterContract` beside `IndexContract`, with its `place`."""

from dataclasses import replace

import pytest

from rag.index import fitting
from rag.index.base import EncodedPassages, IndexReader, Leg
from rag.types import Dense, Filters, Lexical
from tests.contracts.index import ALL, Place, document, found, unit, write


def titled(name: str, title: str, *texts: str, collection: str = "a") -> EncodedPassages:
    plain = document(name, *texts, collection=collection, vectors=unit(1).repeat(len(texts), axis=0))
    passages = tuple(replace(p, title=title, headings=("Chapter One",)) for p in plain.passages)
    return replace(plain, passages=passages)


def both(
    reader: IndexReader, text: str, filters: Filters, k: int = 10, collections: tuple[str, ...] = ALL
) -> tuple[Leg, Leg]:
    words, meaning = reader.search([Lexical(text), Dense(unit(1)[0])], k, collections, filters)
    return words, meaning


def names(leg: Leg) -> list[str]:
    assert leg.error is None and leg.ranking is not None
    return sorted(found(leg.ranking))


class FilterContract:
    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    def test_documents_are_named_inside_the_legs(self, place: Place) -> None:
        write(place, *(document(f"d{i:02}", "alpha " * (i + 1), vectors=unit(1)) for i in range(40)))
        reader = place.reader()
        wanted = Filters(documents=("d00", "d07", "d20", "never"))
        for k, count in ((1, 1), (3, 3), (10, 3)):
            for leg in both(reader, "alpha", wanted, k):
                assert len(names(leg)) == count and set(names(leg)) <= set(wanted.documents)
        assert both(reader, "alpha", Filters(documents=("d00",)), 1)[0].ranking is not None
        unfiltered = {
            leg.ranking.stage: leg.ranking.scores()
            for leg in both(reader, "alpha", Filters(), 40)
            if leg.ranking
        }
        for leg in both(reader, "alpha", wanted):
            assert leg.ranking is not None
            for pid, score in leg.ranking.scores().items():  # a filter moves no score
                assert score == pytest.approx(unfiltered[leg.ranking.stage][pid], abs=2e-4)
        assert [names(leg) for leg in both(reader, "alpha", Filters(documents=("never",)))] == [[], []]

    def test_filters_open_no_other_collection(self, place: Place) -> None:
        write(
            place,
            titled("mine", "Handbook", "the secret ferry plan"),
            titled("theirs", "Handbook", "the secret ferry plan", collection="b"),
        )
        reader = place.reader()
        for filters in (
            Filters(documents=("mine", "theirs")),
            Filters(title="handbook"),
            Filters(phrases=("secret ferry",)),
            Filters(documents=("mine", "theirs"), title="handbook", phrases=("secret ferry",)),
        ):
            assert [names(leg) for leg in both(reader, "ferry", filters, collections=("a",))] == [
                ["mine"]
            ] * 2
            assert [names(leg) for leg in both(reader, "ferry", filters, collections=())] == [[], []]
        assert [names(leg) for leg in both(reader, "ferry", Filters(documents=("theirs",)), 5, ("a",))] == [
            [],
            [],
        ]

    def test_a_title_has_all_the_words(self, place: Place) -> None:
        write(
            place,
            titled("one", "Annual Report 2025", "alpha", "beta"),
            titled("two", "The Annual Meeting", "alpha report 2025"),
            titled("three", "", "annual report alpha"),
            titled("four", "東京都観光ガイド Über", "alpha"),
        )
        reader = place.reader()
        for title, expected in (
            ("annual", ["one", "one", "two"]),
            ("REPORT annual", ["one", "one"]),
            ("the annual", ["two"]),
            ("ann", []),
            ("uber 東京", ["four"]),
            ("chapter", []),
            ("nowhere", []),
            ("  ", ["four", "one", "one", "three", "two"]),
            ("?!", ["four", "one", "one", "three", "two"]),
        ):
            words, meaning = both(reader, "alpha", Filters(title=title))
            assert names(meaning) == expected, title
            assert names(words) == sorted(set(expected)), title  # "beta" does not have the word

    @pytest.mark.parametrize(
        ("phrase", "expected"),
        [
            ("north pier", ["plain"]),
            ("NORTH   Pier", ["plain"]),
            ("north pier at", ["plain"]),
            ("pier north", ["turned"]),
            ("pier", ["apart", "plain", "turned"]),
            ("pie", []),
            ("piers", []),
            ("to be or not to be", ["stop"]),
            ("the", ["stop"]),
            ("don't", ["odd"]),
            ("don’t stop", ["odd"]),
            ("straße 5", ["odd"]),
            ("oﬃce", ["odd"]),
            ("C++ (2nd", ["odd"]),
            ("chapter one", ["apart", "odd", "plain", "stop", "turned"]),
            ("", ["apart", "odd", "plain", "stop", "turned"]),
            ("nowhere at all", []),
        ],
    )
    def test_a_phrase_stands_there_word_for_word(
        self, place: Place, phrase: str, expected: list[str]
    ) -> None:
        write(
            place,
            titled("plain", "", "zulu leaves the north\n\tPIER at nine".replace("the ", "")),
            titled("turned", "", "zulu pier north"),
            titled("apart", "", "zulu north of a pier"),
            titled("stop", "", "zulu the question: to be or not to be"),
            titled("odd", "", "zulu don’t stop in the STRASSE 5 office, C++ (2nd ed.)".replace("the ", "")),
        )
        for leg in both(place.reader(), "zulu", Filters(phrases=(phrase,))):
            assert names(leg) == expected

    def test_phrases_of_scripts_without_spaces(self, place: Place) -> None:
        write(
            place,
            titled("pairs", "", "東京都に住んでいる学生です。", collection="b"),
            titled("long", "", "東京都に住んでいる学生です。", collection="c"),
            languages={"b": "cjk", "c": "plain"},
        )
        for leg in both(place.reader(), "学生", Filters(phrases=("住んでいる",)))[1:]:
            assert names(leg) == ["long", "pairs"]

    def test_all_filters_hold_together(self, place: Place) -> None:
        write(
            place,
            titled("x", "Guide", "the north pier", "the south pier"),
            titled("y", "Guide", "the north pier"),
            titled("z", "Notes", "the north pier"),
        )
        filters = Filters(documents=("x", "z"), title="guide", phrases=("north pier", "pier"))
        for leg in both(place.reader(), "pier", filters):
            assert leg.ranking is not None and [p.id for p in leg.ranking.passages] == ["x:1:0"]

    @pytest.mark.parametrize(
        "text",
        ['title:"x" OR *', "*", "(alpha", "alpha~2", "a*", "\\", "[a TO z]", "\x00", "/al.*/", "\ud83d"],
    )
    def test_filters_are_never_query_syntax(self, place: Place, text: str) -> None:
        write(place, titled("x", "Alpha", "alpha beta"), titled("y", "Beta", "beta gamma"))
        reader = place.reader()
        for leg in both(reader, "beta", Filters(documents=(text,))):
            assert names(leg) == []
        for leg in both(reader, "beta", Filters(phrases=(f"beta {text} gamma",))):
            assert names(leg) == ([] if text.strip() else ["y"])
        both(reader, "beta", Filters(title=text))

    def test_a_phrase_of_too_many_passages_says_so(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fitting, "LOOKED_THROUGH", 20)
        write(place, *(document(f"d{i:02}", "north pier", vectors=unit(1)) for i in range(30)))
        write(place, document("best", "north pier lighthouse lighthouse", vectors=unit(1)))
        reader = place.reader()
        words, meaning = both(reader, "lighthouse", Filters(phrases=("north pier",)), 50)
        assert names(words) == ["best"] and len(names(meaning)) == 20 and "best" in names(meaning)
        assert "“north pier”" in words.partial and words.partial == meaning.partial
        assert both(reader, "pier", Filters(documents=("best",), phrases=("north pier",)))[0].partial == ""


class SpellingContract:
    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("lighthuose", ["light"]),
            ("LIGHTHOUS", ["light"]),
            ("graite", ["stone"]),
            ("granit", ["stone"]),
            ("fery", ["boat"]),
            ("zzzzzz", []),
            ("the", []),
            ("two words", []),
            ("\x00", []),
        ],
    )
    def test_a_word_spelled_almost_so_is_found(self, place: Place, word: str, expected: list[str]) -> None:
        write(
            place,
            document("light", "the lighthouse keeper"),
            document("stone", "built of granite"),
            document("boat", "a ferry to the island"),
        )
        assert [p.document_id for p in place.reader().alike(word, 5, ALL)] == expected

    def test_what_may_not_be_read_is_like_nothing(self, place: Place) -> None:
        write(place, document("mine", "granite"), document("theirs", "lighthouse granite", collection="b"))
        reader = place.reader()
        assert reader.alike("lighthuose", 5, ("a",)) == ()
        assert [p.document_id for p in reader.alike("graniet", 5, ("a",))] == ["mine"]
        assert reader.alike("lighthuose", 5, ()) == ()
        assert len(reader.alike("graniet", 1, ALL)) == 1
