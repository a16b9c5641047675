"""What every index must do. Subclass `IndexContract` and give the fixture `place`."""

import math
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import pytest

from rag.codes import TokenCodes, quantise
from rag.encode.base import Floats
from rag.errors import IndexBusy, PassagesRefused
from rag.index.base import EncodedPassages, IndexReader, IndexWriter
from rag.types import Dense, Lexical, Passage, Ranking, passage_id

DIMENSION = 32
FINGERPRINT = "test-encoder"
ALL = ("a", "b", "c")


class Place(Protocol):
    """Where the index under test lies. Must survive pickling: other processes open it too."""

    def writer(self, languages: Mapping[str, str] | None = None) -> IndexWriter: ...

    def reader(self) -> IndexReader: ...


def unit(count: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def passage(
    document_id: str, position: int, text: str, *, version: int = 1, collection: str = "a"
) -> Passage:
    return Passage(
        id=passage_id(document_id, version, position),
        document_id=document_id,
        version=version,
        position=position,
        collection=collection,
        title="",
        headings=(),
        text=text,
        span=(position, position + len(text)),
        page=position + 1,
        tokens=len(text.split()),
    )


def document(
    document_id: str,
    *texts: str,
    version: int = 1,
    collection: str = "a",
    vectors: Floats | None = None,
    codes: Sequence[TokenCodes] | None = None,
) -> EncodedPassages:
    seed = abs(hash((document_id, version))) % 2**32
    passages = tuple(
        passage(document_id, i, text, version=version, collection=collection) for i, text in enumerate(texts)
    )
    if vectors is None:
        vectors = unit(len(texts), seed)
    if codes is None:
        codes = tuple(quantise(unit(1 + len(text.split()), seed + i)) for i, text in enumerate(texts))
    return EncodedPassages(document_id, version, passages, vectors, tuple(codes))


def bm25(reader: IndexReader, text: str, k: int = 10, collections: Sequence[str] = ALL) -> Ranking:
    (leg,) = reader.search([Lexical(text)], k, collections)
    assert leg.error is None and leg.ranking is not None
    return leg.ranking


def knn(reader: IndexReader, vector: Floats, k: int = 10, collections: Sequence[str] = ALL) -> Ranking:
    (leg,) = reader.search([Dense(vector)], k, collections)
    assert leg.error is None and leg.ranking is not None
    return leg.ranking


def found(ranking: Ranking) -> list[str]:
    """Document ids, best first."""
    return [candidate.passage.document_id for candidate in ranking.candidates]


def assert_counts(reader: IndexReader, collections: Sequence[str], passages: int) -> None:
    """`count` may be a second old."""
    end = time.monotonic() + 1.5
    while reader.count(collections) != passages and time.monotonic() < end:
        time.sleep(0.05)
    assert reader.count(collections) == passages


def write(place: Place, *documents: EncodedPassages, languages: Mapping[str, str] | None = None) -> None:
    writer = place.writer(languages)
    writer.write(documents)
    writer.close()


def _follow(place: Place, go, seen, done) -> None:
    """Another process: says what it finds whenever asked."""
    reader = place.reader()
    while True:
        go.wait()
        go.clear()
        if done.is_set():
            return
        seen.put(sorted(found(bm25(reader, "alpha", 100))))


class IndexContract:
    """What holds for whom: all of this for every index, but for one law that each writer names itself.

    `exclusive`: a second writer is refused. Otherwise there may be any number, in any processes, and what
    one of them took out stays out, even when another one's write of it comes late.

    That a write which breaks leaves nothing holds for whatever breaks in the caller. What may be left when
    the index itself fails in the midst of a write is said in `IndexWriter`, and tested where it can fail.
    """

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError

    # --- what is found ---------------------------------------------------------------------------

    def test_passages_come_back_as_they_were_written(self, place: Place) -> None:
        text = 'Ünïcode 東京 "quotes" <b>not markup</b> \\ % _ \n\t end'
        original = Passage(
            id="d:7:0",
            document_id="d",
            version=7,
            position=0,
            collection="a",
            title="A title: with 'marks'",
            headings=("One", "Two > three"),
            text=text,
            span=(3, 3 + len(text)),
            page=None,
            tokens=11,
        )
        codes = quantise(unit(5, 9))
        write(place, EncodedPassages("d", 7, (original,), unit(1), (codes,)))
        reader = place.reader()
        for ranking in (bm25(reader, "quotes"), knn(reader, unit(1)[0])):
            assert ranking.passages == (original,)
        assert reader.passages(["d:8:0", "d:7:0"]) == (None, original)
        back, nothing = reader.token_codes(["d:7:0", "d:8:0"])
        assert nothing is None and back is not None
        assert np.array_equal(back.bits, codes.bits) and np.array_equal(back.factors, codes.factors)

    def test_passages_are_given_by_id(self, place: Place) -> None:
        write(place, document("d", "one", "two", "three"), document("e", "four", collection="b"))
        reader = place.reader()
        wanted = ["d:1:2", "e:1:0", "d:1:2", "d:1:3", "", "d:1:0", "x' OR 1"]
        found = reader.passages(wanted)
        assert [p and p.text for p in found] == ["three", "four", "three", None, None, "one", None]
        assert [p.id for p in found if p] == ["d:1:2", "e:1:0", "d:1:2", "d:1:0"]
        assert reader.passages([]) == ()
        many = reader.passages([f"d:1:{i}" for i in range(2_500)])
        assert [p.text for p in many if p] == ["one", "two", "three"]

    def test_titles_and_headings_are_searched(self, place: Place) -> None:
        plain = passage("d", 0, "nothing else")
        titled = Passage(
            **{f: getattr(plain, f) for f in Passage.__dataclass_fields__}
            | {"title": "Salaries", "headings": ("Parental leave",)}
        )
        write(place, EncodedPassages("d", 1, (titled,), unit(1), (quantise(unit(2)),)))
        assert found(bm25(place.reader(), "salaries")) == found(bm25(place.reader(), "parental")) == ["d"]

    def test_an_empty_index_answers(self, place: Place) -> None:
        reader = place.reader()
        legs = reader.search([Lexical("alpha"), Dense(unit(1)[0])], 10, ALL)
        assert [len(leg.ranking) for leg in legs if leg.ranking is not None] == [0, 0]
        assert reader.count(ALL) == 0 and reader.documents() == {}

    def test_one_leg_per_subquery_in_order(self, place: Place) -> None:
        write(place, document("x", "alpha"), document("y", "beta"))
        legs = place.reader().search([Dense(unit(1)[0]), Lexical("beta"), Lexical("alpha")], 5, ALL)
        assert [leg.ranking and leg.ranking.stage for leg in legs] == ["knn", "bm25", "bm25"]
        assert [found(leg.ranking) for leg in legs[1:] if leg.ranking] == [["y"], ["x"]]
        assert all(leg.elapsed_ms >= 0 and leg.started_ms >= 0 for leg in legs)

    # --- scores ----------------------------------------------------------------------------------

    def test_bm25_is_on_lucenes_scale(self, place: Place) -> None:
        texts = {"x": "alpha alpha beta", "y": "alpha gamma gamma gamma delta", "z": "beta"}
        write(place, *(document(name, text) for name, text in texts.items()), languages={"a": "plain"})
        scores = bm25(place.reader(), "alpha beta beta").scores()

        def term(frequency: int, length: int, holders: int) -> float:
            idf = math.log(1 + (3 - holders + 0.5) / (holders + 0.5))
            return idf * frequency / (frequency + 1.2 * (0.25 + 0.75 * length / 3))  # 9 words in 3 passages

        expected = {
            "x:1:0": term(2, 3, 2) + 2 * term(1, 3, 2),
            "y:1:0": term(1, 5, 2),
            "z:1:0": 2 * term(1, 1, 2),
        }
        assert scores == pytest.approx(expected, abs=2e-4)

    def test_knn_equals_brute_force(self, place: Place) -> None:
        vectors = unit(300, 1)
        write(
            place,
            *(
                document(f"d{i:03}", "text", vectors=vectors[i : i + 1], collection="ab"[i % 3 == 0])
                for i in range(300)
            ),
        )
        reader = place.reader()
        for seed in range(5):
            query = unit(1, 100 + seed)[0]
            for collections, rows in (("a", [i for i in range(300) if i % 3]), ("b", range(0, 300, 3))):
                expected = sorted(((float(vectors[i] @ query), f"d{i:03}") for i in rows), reverse=True)[:10]
                ranking = knn(reader, query, 10, [collections])
                assert found(ranking) == [name for _, name in expected]
                assert list(ranking.scores().values()) == pytest.approx([s for s, _ in expected], abs=1e-3)

    def test_ties_stand_in_order_of_passage_id(self, place: Place) -> None:
        writer, same = place.writer(), unit(1)
        names = [f"d{i:02}" for i in range(40)]
        for start in range(0, 40, 8):  # in several commits, in no order
            writer.write(
                document(names[(i * 7) % 40], "alpha", vectors=same) for i in range(start, start + 8)
            )
        writer.close()
        reader = place.reader()
        for k in (1, 5, 39, 100):
            assert found(bm25(reader, "alpha", k)) == names[:k]
            assert found(knn(reader, same[0], k)) == names[:k]

    def test_a_thousand_ties_stand_in_order_too(self, place: Place) -> None:
        """By words. By meaning an approximate index may take any of so many that are equally near."""
        texts = ["alpha"] * 50
        write(place, *(document(f"d{i:02}", *texts) for i in range(24)), document("best", "alpha alpha"))
        ranking = bm25(place.reader(), "alpha", 100)
        ties = sorted(passage_id(f"d{i:02}", 1, p) for i in range(24) for p in range(50))
        assert [c.passage.id for c in ranking.candidates] == ["best:1:0", *ties[:99]]

    # --- who may read what -----------------------------------------------------------------------

    def test_only_the_given_collections_are_found(self, place: Place) -> None:
        write(
            place,
            *(document(f"{c}{i}", "alpha", collection=c, vectors=unit(1)) for c in ALL for i in range(30)),
            languages={"b": "de"},
        )
        reader = place.reader()
        for collections in ((), ("a",), ("b",), ("a", "c"), ("a", "unknown"), ("unknown",), ("b", "b"), ALL):
            expected = sorted(f"{c}{i}" for c in set(collections) & set(ALL) for i in range(30))
            assert sorted(found(bm25(reader, "alpha", 100, collections))) == expected
            assert sorted(found(knn(reader, unit(1)[0], 100, collections))) == expected
            assert reader.count(collections) == len(expected)

    def test_a_small_collection_is_not_crowded_out(self, place: Place) -> None:
        best = unit(1)
        crowd = [document(f"x{i}", "alpha alpha alpha", vectors=best) for i in range(200)]
        write(place, *crowd, document("mine", "alpha and much else", collection="b"))
        reader = place.reader()
        assert found(bm25(reader, "alpha", 1, ["b"])) == found(knn(reader, best[0], 1, ["b"])) == ["mine"]

    def test_names_are_never_patterns(self, place: Place) -> None:
        names = ["*", "a*", "a", "a,b", 'a"b', "a b", "Ä", "ä", "_all", "-a", "a\\", "x" * 200]
        write(place, *(document(f"d{i}", "alpha", collection=name) for i, name in enumerate(names)))
        reader = place.reader()
        for i, name in enumerate(names):
            assert found(bm25(reader, "alpha", 50, [name])) == [f"d{i}"]
            assert found(knn(reader, unit(1)[0], 50, [name])) == [f"d{i}"]
            assert reader.count([name]) == 1

    def test_document_ids_are_never_patterns(self, place: Place) -> None:
        ids = ["d", "D", "d*", "d?", "*", "dd", "d:1", "d d", 'd"', "d\\", "ö", "o", "-", "d" * 100]
        writer, reader = place.writer(), place.reader()
        writer.write(document(name, "alpha") for name in ids)
        assert sorted(found(bm25(reader, "alpha", 50))) == sorted(ids)
        left = set(ids)
        for gone in ids:
            writer.delete(gone)
            left.remove(gone)
            assert {name for name, _ in reader.documents()} == left
        writer.close()

    # --- changes ---------------------------------------------------------------------------------

    def test_a_version_written_again_replaces_itself(self, place: Place) -> None:
        writer, reader = place.writer(), place.reader()
        writer.write([document("d", "alpha", "beta", "gamma"), document("e", "alpha")])
        assert found(bm25(reader, "gamma")) == ["d"]
        writer.write([document("d", "alpha delta")])
        assert reader.documents() == {("d", 1): 1, ("e", 1): 1}
        assert found(bm25(reader, "gamma")) == [] and found(bm25(reader, "delta")) == ["d"]
        assert sorted(found(knn(reader, unit(1)[0]))) == ["d", "e"]
        writer.write([document("d", "alpha", collection="b")])
        assert found(bm25(reader, "alpha", 10, ["b"])) == ["d"]
        assert_counts(reader, ["a"], 1)
        writer.close()

    def test_twice_in_one_write_is_once(self, place: Place) -> None:
        write(place, document("d", "alpha"), document("d", "beta"))
        reader = place.reader()
        assert found(bm25(reader, "alpha beta")) == ["d"] and found(bm25(reader, "alpha")) == []

    def test_other_versions_stay_until_deleted(self, place: Place) -> None:
        writer, reader = place.writer(), place.reader()
        writer.write([document("d", "alpha", version=v) for v in (1, 2, 3)] + [document("dd", "alpha")])
        writer.delete("d", version=1)
        assert reader.documents() == {("d", 2): 1, ("d", 3): 1, ("dd", 1): 1}
        writer.delete("d")
        writer.delete("never written")
        assert reader.documents() == {("dd", 1): 1}
        assert found(bm25(reader, "alpha")) == found(knn(reader, unit(1)[0])) == ["dd"]
        assert reader.token_codes(["d:2:0"]) == (None,) == reader.passages(["d:2:0"])
        writer.close()

    def test_many_deletions_are_one_change(self, place: Place) -> None:
        writer = place.writer()
        versions = [document("d", "alpha", version=v) for v in (1, 2)]
        writer.write([*versions, document("e", "alpha"), document("f", "alpha")])
        writer.delete_many([("d", 1), ("e", None), ("never written", None), ("f", 7)])
        writer.delete_many([])
        assert place.reader().documents().keys() == {("d", 2), ("f", 1)}
        writer.close()

    def test_deleted_passages_take_no_place(self, place: Place) -> None:
        writer, reader = place.writer(), place.reader()
        writer.write(document(f"d{i:03}", "alpha", vectors=unit(1)) for i in range(130))
        for i in range(20):
            writer.delete(f"d{i:03}")
        writer.delete_many((f"d{i:03}", None) for i in range(20, 120))
        left = [f"d{i:03}" for i in range(120, 130)]
        assert found(bm25(reader, "alpha", 10)) == found(knn(reader, unit(1)[0], 10)) == left
        writer.close()
        assert found(bm25(place.reader(), "alpha", 10)) == left

    def test_a_failed_write_leaves_nothing(self, place: Place) -> None:
        def broken():
            yield document("new", "alpha")
            yield document("old", "beta")
            raise RuntimeError("the encoder broke")

        writer, reader = place.writer(), place.reader()
        writer.write([document("old", "alpha")])
        with pytest.raises(RuntimeError, match="encoder"):
            writer.write(broken())
        assert reader.documents() == {("old", 1): 1} and found(bm25(reader, "alpha beta")) == ["old"]
        writer.write([document("new", "alpha")])
        assert sorted(found(bm25(reader, "alpha"))) == ["new", "old"]
        writer.close()

    def test_what_does_not_fit_is_refused(self, place: Place) -> None:
        good = document("d", "alpha")
        writer = place.writer()
        for bad in (
            EncodedPassages("d", 1, good.passages, good.vectors[:, :16], good.codes),
            EncodedPassages("d", 1, good.passages, good.vectors * np.nan, good.codes),
            EncodedPassages("d", 1, good.passages, good.vectors, ()),
            EncodedPassages("other", 1, good.passages, good.vectors, good.codes),
        ):
            with pytest.raises(ValueError, match=r"d:1|other:1"):
                writer.write([bad])
        writer.close()
        assert place.reader().count(ALL) == 0

    def test_a_document_without_passages_is_empty(self, place: Place) -> None:
        write(place, document("d", "alpha"))
        write(place, EncodedPassages("d", 1, (), np.empty((0, DIMENSION), np.float32), ()))
        assert place.reader().documents() == {}

    def test_many_processes_see_every_commit(self, place: Place) -> None:
        context = multiprocessing.get_context("spawn")
        seen, done = context.Queue(), context.Event()
        writer, goes = place.writer(), [context.Event() for _ in range(2)]
        processes = [context.Process(target=_follow, args=(place, go, seen, done)) for go in goes]
        try:
            for process in processes:
                process.start()
            expected: list[str] = []
            for step in range(4):
                writer.write([document(f"d{step}", "alpha")])
                expected.append(f"d{step}")
                if step == 3:
                    writer.delete("d0")
                    expected.remove("d0")
                for go in goes:
                    go.set()
                assert [seen.get(timeout=30) for _ in goes] == [expected] * 2
        finally:
            done.set()
            for go, process in zip(goes, processes, strict=True):
                go.set()
                process.join(timeout=10)
            writer.close()

    # --- writers beside each other -------------------------------------------------------------------

    def test_a_second_writer_works_or_is_refused(self, place: Place) -> None:
        first = place.writer()
        if first.exclusive:
            with pytest.raises(IndexBusy):
                place.writer()
            first.close()
            return
        first.write([document("d", "alpha")])
        second = place.writer()
        second.write([document("e", "alpha")])
        first.delete("e")
        assert found(bm25(place.reader(), "alpha")) == ["d"]

    def test_writers_do_not_disturb_each_other(self, place: Place) -> None:
        if place.writer().exclusive:
            pytest.skip("one writer at a time")

        def work(name: str) -> None:
            writer = place.writer()
            for i in range(6):
                writer.write([document(f"{name}{i}", "alpha", "beta"), document("shared", "alpha")])
            writer.delete_many((f"{name}{i}", None) for i in range(0, 6, 2))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, "abcd"))
        expected = {(f"{name}{i}", 1): 2 for name in "abcd" for i in range(1, 6, 2)}
        reader = place.reader()
        assert reader.documents() == {("shared", 1): 1} | expected
        assert sorted(set(found(knn(reader, unit(1)[0], 50)))) == sorted(d for d, _ in reader.documents())

    def test_a_late_write_does_not_bring_back_what_was_taken_out(self, place: Place) -> None:
        one = place.writer()
        if one.exclusive:
            pytest.skip("one writer at a time: no write comes late")
        late, reader, passages = place.writer(), place.reader(), document("d", "alpha", "beta gamma")
        for gone in (1, None):
            one.write([passages, document("other", "alpha")])
            one.delete("d", version=gone)
            late.write([passages, document("other", "alpha")])
            assert found(bm25(reader, "alpha beta")) == found(knn(reader, unit(1)[0])) == ["other"]
            assert reader.documents() == {("other", 1): 1}
            assert reader.token_codes(["d:1:0"]) == (None,) == reader.passages(["d:1:0"])
        late.write([document("d", "alpha", version=2)])
        assert reader.documents() == {("other", 1): 1, ("d", 2): 1}

    def test_a_write_and_a_removal_that_cross_leave_nothing(self, place: Place) -> None:
        """The removal came after a first write; the second write is the first one, tried again."""
        if place.writer().exclusive:
            pytest.skip("one writer at a time")
        names = [f"d{i}" for i in range(8)]
        place.writer().write(document(name, "alpha", "beta", "gamma") for name in names)

        def again() -> None:
            writer = place.writer()
            for _ in range(3):
                writer.write(document(name, "alpha", "beta", "gamma") for name in names)

        def remove() -> None:
            writer = place.writer()
            for name in names:
                writer.delete(name, version=1)

        with ThreadPoolExecutor(3) as pool:
            for task in [pool.submit(again), pool.submit(remove), pool.submit(again)]:
                task.result()
        assert place.reader().documents() == {}

    # --- words -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("text", ["", "   ", "\n", "?!…", "the of and", "\x00", "🙂"])
    def test_a_question_without_words_finds_nothing(self, place: Place, text: str) -> None:
        write(place, document("d", "the cat of and"))
        assert found(bm25(place.reader(), text)) == []

    @pytest.mark.parametrize(
        "text",
        [
            "+alpha -beta",
            'title:"alpha" "beta',
            "alpha AND (beta",
            "NOT alpha beta*",
            "/alpha.*/ beta",
            "slot:0 collection:[a TO *} alpha beta",
            "alpha^5 beta~2 \\",
            "{alpha: 'beta' }]) || && ! <a>",
        ],
    )
    def test_questions_are_never_query_syntax(self, place: Place, text: str) -> None:
        write(place, document("x", "alpha"), document("y", "beta"), document("z", "gamma"))
        assert sorted(set(found(bm25(place.reader(), text)))) == ["x", "y"]

    def test_no_character_is_query_syntax(self, place: Place) -> None:
        write(place, document("x", "alpha"), document("y", "beta"), document("z", "gamma"))
        reader = place.reader()
        for mark in "+-=&|><!(){}[]^\"~*?:\\/%_$#@';,.`<>\t\n\r\x00\x1b\u200b\u2028\ufeff":
            for text in (
                f"{mark}alpha{mark}beta{mark}",
                f"alpha {mark} beta",
                f"{mark * 2}alpha {mark * 3}beta",
            ):
                assert sorted(found(bm25(reader, text))) == ["x", "y"], repr(text)

    def test_a_very_long_question_is_answered(self, place: Place) -> None:
        write(place, document("x", "alpha"), document("y", "beta " * 3000))
        reader = place.reader()
        long = "alpha beta " * 50_000 + " ".join(f"word{i}" for i in range(50_000)) + "x" * 200_000
        assert sorted(found(bm25(reader, long))) == ["x", "y"]
        assert found(bm25(reader, "z" * 300_000)) == []

    def test_a_very_long_passage_is_found(self, place: Place) -> None:
        text = "alpha " + "words and words " * 20_000 + "y" * 40_000 + " omega"
        write(place, document("d", text))
        reader = place.reader()
        assert found(bm25(reader, "alpha")) == found(bm25(reader, "omega")) == ["d"]
        assert bm25(reader, "alpha").passages[0].text == text
        assert found(bm25(reader, "y" * 40_000)) == []

    @pytest.mark.parametrize(
        ("text", "questions"),
        [
            ("nul \x00 here", ["nul\x00here", "here"]),
            ("tab\x01\x1fcontrol", ["tab", "control"]),
            ("smile 🙂👩‍👩‍👧 emoji", ["emoji🙂", "👩‍👩‍👧smile"]),
            ("isolated \u2067الموظفون\u2069 and \u202eoverridden\u202c", ["الموظفون", "overridden"]),
            ("e\u0301\u0323 composed", ["\u1eb9\u0301", "e\u0323\u0301"]),
            ("a𝐁𝐨𝐥𝐝 ﬁne ①", ["abold", "fine", "1"]),
            ("zero\u200bwidth \ufeffmark", ["zero", "width", "mark"]),
            ("line\u2028paragraph\x85next", ["paragraph", "next"]),
            ("İSTANBUL Straße ŒUVRE", ["i̇stanbul", "STRASSE", "oeuvre"]),
            ("\ufffd\uffff\U0010ffff private", ["private", "\ufffd private"]),
        ],
    )
    def test_odd_characters_come_back_and_part_words(
        self, place: Place, text: str, questions: Sequence[str]
    ) -> None:
        write(place, document("d", text), document("e", "zzz"), languages={"a": "plain"})
        reader = place.reader()
        for question in questions:
            ranking = bm25(reader, question)
            assert [p.text for p in ranking.passages] == [text], repr(question)

    def test_half_a_character_is_refused_in_a_passage_and_nothing_in_a_question(self, place: Place) -> None:
        writer, reader = place.writer(), place.reader()
        writer.write([document("d", "alpha")])
        with pytest.raises((ValueError, PassagesRefused)):
            writer.write([document("half", "alpha \ud83d beta")])
        writer.write([document("e", "alpha")])
        writer.close()
        assert reader.documents().keys() == {("d", 1), ("e", 1)}
        assert (
            found(bm25(reader, "\udfff alpha \ud83d")) == ["d", "e"] and found(bm25(reader, "\ud83d")) == []
        )

    @pytest.mark.parametrize(
        ("language", "text", "question"),
        [
            ("en", "She was running to the libraries", "library run"),
            ("en", "The oﬃce of a naïve ＡＢＣ", "office"),
            ("en", "The oﬃce of a naïve ＡＢＣ", "NAIVE"),
            ("en", "The oﬃce of a naïve ＡＢＣ", "abc"),
            ("de", "Die Bücher lagen in den Häusern", "Buch"),
            ("de", "Die Bücher lagen in den Häusern", "haus"),
            ("de", "Die Straße der Größten", "STRASSE"),
            ("de", "Die Straße der Größten", "größte"),
            ("fr", "Les employés travaillaient", "employée"),
            ("cjk", "東京都に住んでいる学生です。", "東京"),
            ("cjk", "東京都に住んでいる学生です。", "学生はどこ"),
            ("cjk", "ｶﾀｶﾅのテスト", "カタカナ"),
            ("cjk", "我们在北京大学学习计算机科学", "北京大学"),
            ("cjk", "我们在北京大学学习计算机科学", "机"),
            ("ja", "東京都に住んでいる学生です。", "東京の学生"),
            ("ja", "データベースの検索", "ﾃﾞｰﾀﾍﾞｰｽ"),
            ("zh", "我们在北京大学学习计算机科学", "北京的大学"),
            ("zh", "𠮷野家在東京", "𠮷野"),
            ("ko", "서울에서 만나요", "서울"),
            ("cjk", "서울에서 만나요 Sieve2", "서울 "),
            ("cjk", "서울에서 만나요 Sieve2", "SIEVE2"),
            ("plain", "दिल्ली में हिन्दी पुस्तक", "हिन्दी"),
            ("plain", "cafe\u0301 ouvert", "CAFÉ"),
            ("ru", "Сотрудники получали зарплаты", "зарплата"),
            ("ar", "الموظفون في المكتبة", "مكتبة"),
        ],
    )
    def test_languages(self, place: Place, language: str, text: str, question: str) -> None:
        write(place, document("d", text, collection="b"), document("e", "zzz"), languages={"b": language})
        assert found(bm25(place.reader(), question)) == ["d"]

    def test_stop_words_and_stems_belong_to_the_language(self, place: Place) -> None:
        write(
            place,
            document("english", "the bananas"),
            document("german", "die bananas", collection="b"),
            document("japanese", "京都", collection="c"),
            languages={"a": "en", "b": "de", "c": "cjk"},
        )
        reader = place.reader()
        assert found(bm25(reader, "the", 10, ["a"])) == [] and found(bm25(reader, "the", 10, ["b"])) == []
        assert found(bm25(reader, "die", 10, ["b"])) == []
        assert found(bm25(reader, "banana", 10, ["a"])) == ["english"]
        assert found(bm25(reader, "東京", 10, ["c"])) == []  # 京都 shares a character, no pair
        assert set(found(bm25(reader, "bananas 京都"))) == {"english", "german", "japanese"}
