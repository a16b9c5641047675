"""The first pass over the signs of the vectors: what it finds, how it is written, what happens without it."""

import os
from pathlib import Path

import numpy as np
import pytest

from rag.errors import IndexUnavailable
from rag.index import embedded
from rag.index.base import EncodedPassages
from rag.index.embedded import legs, signs
from rag.index.embedded.mapped import Rows
from rag.types import Dense
from tests.contracts.index import ALL, DIMENSION, FINGERPRINT, document, found, knn, unit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    embedded.create(tmp_path, FINGERPRINT, DIMENSION)
    return tmp_path


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pass at any size, and no more than 60 compared after it."""
    monkeypatch.setattr(legs, "EXACT", 0)
    monkeypatch.setattr(legs, "AT_LEAST", 60)
    monkeypatch.setattr(legs, "A_PLACE", 1)


def write(root: Path, *documents: EncodedPassages) -> None:
    writer = embedded.open_writer(root, FINGERPRINT, DIMENSION)
    writer.write(documents)
    writer.close()


def reader(root: Path) -> embedded.EmbeddedReader:
    return embedded.open_reader(root, FINGERPRINT, DIMENSION)


def file(root: Path) -> Path:
    return root / (root / "current").read_text().strip() / signs.NAME


def fill(root: Path, count: int = 400) -> None:
    vectors = unit(count, 1)
    write(root, *(document(f"d{i:03}", "x", vectors=vectors[i : i + 1]) for i in range(count)))


@pytest.mark.parametrize("dimension", [32, 64, 128, 384, 1024])
def test_distances_count_differing_signs(dimension: int) -> None:
    draw = np.random.default_rng(dimension)
    vectors = draw.standard_normal((20_001, dimension)).astype(np.float32)
    rows = signs.make(vectors)
    assert rows.shape == (20_001, signs.width(dimension))
    expected = np.unpackbits(rows ^ rows[7], axis=1).sum(axis=1)
    words = rows.view(np.uint64)
    assert np.array_equal(signs.distances(words, words[7]), expected)
    assert len(signs.distances(words[:0], words[7])) == 0


def test_the_nearest_are_the_wanted_and_their_ties_within_the_mask(tmp_path: Path) -> None:
    vectors = unit(500, 3)
    (tmp_path / signs.NAME).write_bytes(signs.make(vectors).tobytes())
    words, rows = signs.make(vectors).view(np.uint64), Rows(tmp_path / signs.NAME, np.uint64, 1)
    mask = np.arange(500) % 3 != 0
    distances = signs.distances(words, words[4])
    got = signs.nearest(rows, vectors[4], mask, 50)
    assert len(got) >= 50 and mask[got].all() and 4 in got
    assert distances[got].max() < min(distances[i] for i in np.flatnonzero(mask) if i not in set(got))
    assert len(signs.nearest(rows, vectors[4], mask, 10_000)) == mask.sum()
    assert len(signs.nearest(rows, vectors[4], np.zeros(500, np.bool_), 10)) == 0


def test_what_is_found_has_its_exact_score(root: Path, always: None) -> None:
    fill(root)
    vectors, shared = unit(400, 1), 0
    for seed in range(20):
        query = unit(1, 500 + seed)[0]
        ranking = knn(reader(root), query, 10)
        for candidate in ranking.candidates:
            exact = float(vectors[int(candidate.passage.document_id[1:])] @ query)
            assert candidate.score == pytest.approx(exact, abs=1e-3)
        best = np.argsort(-(vectors @ query))[:10]
        shared += len({f"d{i:03}" for i in best} & set(found(ranking)))
    assert 140 <= shared < 200  # 32 signs are few: the pass is used, and it helps


def test_ties_beyond_the_wanted_stand_in_order_of_passage_id(root: Path, always: None) -> None:
    same = unit(1)
    names = [f"d{i:03}" for i in range(150)]
    write(root, *(document(name, "x", vectors=same) for name in reversed(names)))
    assert found(knn(reader(root), same[0], 100)) == names[:100]


def test_deleted_passages_and_other_collections_take_no_place(root: Path, always: None) -> None:
    best = unit(1)
    crowd = [document(f"x{i:03}", "x", vectors=best, collection="b") for i in range(100)]
    gone = [document(f"y{i:03}", "x", vectors=best) for i in range(100)]
    write(root, *crowd, *gone, document("mine", "x", vectors=-best))
    writer = embedded.open_writer(root, FINGERPRINT, DIMENSION)
    writer.delete_many([(f"y{i:03}", None) for i in range(100)])
    writer.close()
    assert found(knn(reader(root), best[0], 5, ["a"])) == ["mine"]
    assert len(knn(reader(root), best[0], 200, ALL)) == 101


def test_an_index_without_signs_gets_them_by_its_next_writer(root: Path, always: None) -> None:
    fill(root)
    whole, query = np.frombuffer(file(root).read_bytes(), np.uint8), unit(1, 9)[0]
    with_them = knn(reader(root), query)
    for left in (0, 3 * signs.width(DIMENSION) + 5):
        os.truncate(file(root), left)
        if not left:
            file(root).unlink()
        report = embedded.verify(root, FINGERPRINT, DIMENSION)
        assert report.problems == () and any("the next writer makes them" in n for n in report.notes)
        exact = knn(reader(root), query, 400).candidates
        assert len(exact) == 400 and exact[0] == with_them.candidates[0]
        open_all_the_time = reader(root)
        knn(open_all_the_time, query)
        embedded.open_writer(root, FINGERPRINT, DIMENSION).close()
        again = np.frombuffer(file(root).read_bytes(), np.uint8)
        assert len(again) == len(whole) and np.bitwise_count(again ^ whole).sum() < 20  # made of half floats
        assert embedded.verify(root, FINGERPRINT, DIMENSION).notes == ()
        assert knn(open_all_the_time, query).candidates[0] == with_them.candidates[0]
        assert knn(reader(root), query).candidates[0] == with_them.candidates[0]


def test_a_torn_row_of_signs_is_never_reused(root: Path, always: None) -> None:
    write(root, document("d", "x"))
    with file(root).open("ab") as open_file:
        open_file.write(b"torn" * 5)
    write(root, document("e", "x", vectors=unit(1, 5)))
    assert found(knn(reader(root), unit(1, 5)[0]))[0] == "e"
    assert embedded.verify(root, FINGERPRINT, DIMENSION).problems == ()


def test_verify_sees_damaged_signs(root: Path) -> None:
    fill(root, 30)
    with file(root).open("r+b") as open_file:
        open_file.seek(7 * signs.width(DIMENSION))
        open_file.write(bytes(255 - byte for byte in file(root).read_bytes()[56:60]))
    (problem,) = embedded.verify(root, FINGERPRINT, DIMENSION).problems
    assert "1 passages have damaged signs (d007:1:0)" in problem and "reindex" in problem


def test_vectors_that_end_early_are_a_plain_error(root: Path, always: None) -> None:
    fill(root, 30)
    os.truncate(file(root).with_name("vectors.f16"), 100)
    with pytest.raises(IndexUnavailable, match="reindex"):
        reader(root).search([Dense(unit(1)[0])], 5, ALL)
