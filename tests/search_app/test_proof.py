"""A document is searchable when both legs of the real index find it, however many are like it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.encode.hashing import HashingEncoder
from rag.index import embedded
from rag.ingest import encode
from rag.types import Passage, passage_id
from search_app import proof

Write = Callable[..., tuple[embedded.EmbeddedReader, list[Passage], HashingEncoder]]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Write]:
    encoder = HashingEncoder()
    embedded.create(tmp_path, encoder.fingerprint, encoder.dimension)

    def write(*texts: str, language: str = "en") -> tuple[object, list[Passage], HashingEncoder]:
        passages = [passage(n, text) for n, text in enumerate(texts)]
        writer = embedded.open_writer(
            tmp_path, encoder.fingerprint, encoder.dimension, languages={"notes": language}
        )
        try:
            writer.write(encode([[p] for p in passages], encoder))
        finally:
            writer.close()
        return embedded.open_reader(tmp_path, encoder.fingerprint, encoder.dimension), passages, encoder

    yield write


def passage(number: int, text: str, tokens: int = 9) -> Passage:
    return Passage(
        id=passage_id(str(number), 1, 0),
        document_id=str(number),
        version=1,
        position=0,
        collection="notes",
        title="",
        headings=(),
        text=text,
        span=(0, len(text)),
        page=None,
        tokens=tokens,
    )


def objection(reader: object, one: Passage, encoder: HashingEncoder, language: str = "en") -> str:
    return proof.objection(reader, one, encoder.encode_passages([one.search_text]).vectors[0], language)


def test_each_of_many_is_found(index: Write) -> None:
    reader, passages, encoder = index(*[f"The lighthouse number {n} of granite" for n in range(50)])
    assert {objection(reader, one, encoder) for one in passages} == {""}


def test_one_of_a_thousand_like_it_is_found(index: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "DEPTHS", (2, 5))
    reader, passages, encoder = index(*["The same lighthouse"] * 60)
    assert {objection(reader, one, encoder) for one in passages} == {""}


def test_what_is_not_there_is_not_found(index: Write) -> None:
    reader, _, encoder = index("granite", "basalt")
    assert objection(reader, passage(7, "granite"), encoder) == proof.NOT_BY["knn"]


def test_words_that_the_text_index_has_lost_are_missed(index: Write) -> None:
    reader, (one, _), encoder = index("granite", "basalt")
    renamed = Passage(**{f: getattr(one, f) for f in one.__slots__} | {"text": "chalk"})
    vector = encoder.encode_passages(["granite"]).vectors[0]
    assert proof.objection(reader, renamed, vector, "en") == proof.NOT_BY["bm25"]
    assert proof.objection(reader, one, np.asarray(vector), "en") == ""


@pytest.mark.parametrize("text", ["— · —", "the and of", "x" * 300, "!?"])
def test_a_text_without_a_word_is_found_by_meaning_alone(index: Write, text: str) -> None:
    reader, (one, _), encoder = index(text, "granite")
    assert objection(reader, one, encoder) == ""


def test_languages_without_spaces_are_found_by_their_words(index: Write) -> None:
    reader, passages, encoder = index("渡輪於九時開出。", "燈塔由花崗岩建成，" * 9, language="cjk")
    assert {objection(reader, one, encoder, "cjk") for one in passages} == {""}


def test_it_is_looked_for_by_its_longest_passage() -> None:
    assert proof.longest([passage(0, "a", 3), passage(1, "b", 9), passage(2, "c", 9)]) == 1
    assert proof.own_words(passage(0, "a lighthouse of granite, a lighthouse")).split() == [
        "lighthouse",
        "granite",
        "of",
        "a",
    ]


class Windowed:
    """The real reader, which gives only so many candidates at once."""

    def __init__(self, real: embedded.EmbeddedReader, window: int) -> None:
        self._real, self._window = real, window

    def search(self, subqueries: object, k: int, collections: object) -> object:
        return self._real.search(subqueries, min(k, self._window), collections)

    def count(self, collections: object) -> int:
        return self._real.count(collections)


def test_one_that_a_whole_window_of_its_like_hides_is_found(
    index: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "WINDOW", 20)
    monkeypatch.setattr(proof, "DEPTHS", (2, 5))
    reader, passages, encoder = index(*["The same lighthouse"] * 60, "The lighthouse of granite")
    assert {objection(Windowed(reader, 20), one, encoder) for one in passages} == {""}


def test_one_that_is_not_there_is_missed_also_below_a_whole_window(
    index: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "WINDOW", 20)
    monkeypatch.setattr(proof, "DEPTHS", (2, 5))
    reader, _, encoder = index(*[f"The lighthouse number {n}" for n in range(60)])
    absent = passage(77, "The lighthouse number 77 of basalt")
    assert objection(Windowed(reader, 20), absent, encoder) == proof.NOT_BY["knn"]
