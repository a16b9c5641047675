"""What every index must do with 100,000 passages. Subclass `LargeIndexContract` and give `place`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.codes import quantise
from rag.encode.base import Floats
from rag.index.base import EncodedPassages, IndexReader
from tests.contracts.index import DIMENSION, Place, bm25, knn, passage, unit

DOCUMENTS, EACH = 2_000, 50
TOTAL = DOCUMENTS * EACH
RARE = 100
"""Every so many documents one lies in the small collection, "b"."""
CLUSTERS = 300
VOCABULARY = 20_000
SHORTEST, LONGEST = 8, 38
"""Words of a passage; up to 39 an index keeps the length exactly."""


@dataclass(frozen=True)
class Corpus:
    words: NDArray[np.int32]
    """[passage, place], -1 behind a passage's end."""
    vectors: Floats

    def documents(self, numbers: Sequence[int]) -> Iterator[EncodedPassages]:
        codes = (quantise(unit(2)),) * EACH
        for number in numbers:
            rows = range(number * EACH, (number + 1) * EACH)
            name, where = f"d{number:04}", "ab"[number % RARE == 0]
            passages = tuple(passage(name, i, self.text(row), collection=where) for i, row in enumerate(rows))
            yield EncodedPassages(name, 1, passages, self.vectors[rows.start : rows.stop], codes)

    def text(self, row: int) -> str:
        return " ".join(f"w{word}" for word in self.words[row] if word >= 0)


@cache
def corpus() -> Corpus:
    """Words as frequent as Zipf has them; vectors around centres, like those of real passages."""
    random = np.random.default_rng(7)
    words = np.minimum(random.zipf(1.2, (TOTAL, LONGEST)), VOCABULARY).astype(np.int32)
    lengths = random.integers(SHORTEST, LONGEST + 1, TOTAL)
    words[np.arange(LONGEST) >= lengths[:, None]] = -1
    centres = unit(CLUSTERS, 8)[random.integers(0, CLUSTERS, TOTAL)]
    vectors = centres + 0.6 * unit(TOTAL, 9)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Corpus(words, vectors.astype(np.float32))


def of_small() -> NDArray[np.bool_]:
    return np.arange(TOTAL) // EACH % RARE == 0


def row_of(passage_id: str) -> int:
    name, _, position = passage_id.split(":")
    return int(name[1:]) * EACH + int(position)


def brute_force(words: Sequence[int]) -> NDArray[np.float64]:
    """BM25 of every passage, on Lucene's scale."""
    held = corpus().words
    lengths = (held >= 0).sum(axis=1)
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    scores = np.zeros(TOTAL)
    for word in words:
        times = (held == word).sum(axis=1)
        holders = int((times > 0).sum())
        scores += math.log(1 + (TOTAL - holders + 0.5) / (holders + 0.5)) * times / (times + norm)
    return scores


class LargeIndexContract:
    """Vectors found approximately must be found nearly always: recall@10 is at least .95."""

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls) -> Place:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def reader(cls, place: Place) -> IndexReader:
        """All is written first, in slices, as an ingest writes it."""
        writer = place.writer({"a": "plain", "b": "plain"})
        for start in range(0, DOCUMENTS, 400):
            writer.write(corpus().documents(range(start, start + 400)))
        writer.close()
        return place.reader()

    def test_all_is_there(self, reader: IndexReader) -> None:
        small = int(of_small().sum())
        assert (reader.count(["a"]), reader.count(["b"])) == (TOTAL - small, small)
        documents = reader.documents()
        assert len(documents) == DOCUMENTS and set(documents.values()) == {EACH}

    @pytest.mark.parametrize("collections", [("a", "b"), ("b",)], ids=["all", "one in a hundred"])
    def test_bm25_equals_brute_force(self, reader: IndexReader, collections: tuple[str, ...]) -> None:
        random = np.random.default_rng(3)
        for _ in range(12):
            words = [2, *(int(w) for w in random.choice([30, 300, 3_000, 9_000], 2, replace=False))]
            scores = brute_force(words)
            allowed = of_small() if collections == ("b",) else np.ones(TOTAL, bool)
            best = np.sort(scores[allowed & (scores > 0)])[::-1][:10]
            ranking = bm25(reader, " ".join(f"w{word}" for word in words), 10, collections)
            assert [c.score for c in ranking.candidates] == pytest.approx(best, rel=2e-3)
            for candidate in ranking.candidates:
                row = row_of(candidate.passage.id)
                assert allowed[row] and candidate.score == pytest.approx(scores[row], rel=2e-3)
                assert candidate.passage.text == corpus().text(row)

    @pytest.mark.parametrize("collections", [("a", "b"), ("b",)], ids=["all", "one in a hundred"])
    def test_knn_finds_nearly_all(self, reader: IndexReader, collections: tuple[str, ...]) -> None:
        vectors, allowed = corpus().vectors, np.ones(TOTAL, bool)
        if collections == ("b",):
            allowed = of_small()
        recalls = []
        for seed in range(50):
            query = vectors[(seed * 1_999) % TOTAL] + 0.3 * unit(1, 1_000 + seed)[0]
            query = (query / np.linalg.norm(query)).astype(np.float32)
            cosines = np.where(allowed, vectors @ query, -2.0)
            best = set(np.argsort(-cosines)[:10].tolist())
            ranking = knn(reader, query, 10, collections)
            rows = [row_of(c.passage.id) for c in ranking.candidates]
            assert len(rows) == 10 and allowed[rows].all()
            assert [c.score for c in ranking.candidates] == pytest.approx(cosines[rows], abs=2e-3)
            recalls.append(len(best & set(rows)) / 10)
        assert np.mean(recalls) >= 0.95, recalls

    def test_nothing_is_found_where_nothing_is(self, reader: IndexReader) -> None:
        assert len(bm25(reader, "w2", 10, ["c"])) == 0 == len(knn(reader, unit(1)[0], 10, ["c"]))
        assert len(bm25(reader, "nowhere", 10)) == 0
        assert corpus().vectors.shape[1] == DIMENSION
