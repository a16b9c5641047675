"""What keeps a large index quick: mappings kept across commits, opening from one index, broad filters."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from rag.index import embedded
from rag.index.base import EncodedPassages, Glance
from rag.index.embedded import text
from rag.index.embedded.glance import glance
from rag.index.embedded.mapped import Rows
from tests.contracts.index import ALL, DIMENSION, FINGERPRINT, bm25, document, found, knn, unit


def rows_file(path: Path, start: int, stop: int) -> None:
    with path.open("ab") as file:
        file.write(np.arange(start * 3, stop * 3, dtype=np.int16).tobytes())


def test_rows_in_two_parts_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    rows_file(path, 0, 3000)
    first = Rows(path, np.int16, 3)
    rows_file(path, 3000, 3500)
    with path.open("ab") as file:
        file.write(b"torn")
    both = Rows(path, np.int16, 3, first)
    expected = np.arange(3 * 3500, dtype=np.int16).reshape(-1, 3)
    assert (len(first), len(both)) == (3000, 3500)
    assert both.parts[0] is first.parts[0] and len(both.parts[1]) == 500
    for start, stop in ((0, 10), (2990, 3000), (2990, 3010), (3000, 3010), (0, 3500), (3490, 3600)):
        assert np.array_equal(both.between(start, stop), expected[start:stop])
    for places in ([], [5, 2999], [3499, 3000], [3200, 1, 3000, 2999, 1]):
        assert np.array_equal(both.at(np.array(places, np.int64)), expected[places])
    with pytest.raises(IndexError):
        both.at(np.array([3500]))


def test_rows_are_mapped_anew_when_the_file_is_another_or_much_longer(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    rows_file(path, 0, 100)
    first = Rows(path, np.int16, 3)
    rows_file(path, 100, 200)
    assert [len(part) for part in Rows(path, np.int16, 3, first).parts] == [200, 0]
    rows_file(tmp_path / "new", 1000, 1100)
    (tmp_path / "new").replace(path)
    assert Rows(path, np.int16, 3, first).between(0, 1).tolist() == [[3000, 3001, 3002]]


def test_an_open_reader_finds_what_later_commits_add(tmp_path: Path) -> None:
    embedded.create(tmp_path, FINGERPRINT, DIMENSION)
    writer, vectors = embedded.open_writer(tmp_path, FINGERPRINT, DIMENSION), unit(150, 2)
    reader = embedded.open_reader(tmp_path, FINGERPRINT, DIMENSION)
    for start, stop in ((0, 100), (100, 110), (110, 124), (124, 150)):
        writer.write(document(f"d{i:03}", "x", vectors=vectors[i : i + 1]) for i in range(start, stop))
        for i in (0, start, stop - 1):
            assert found(knn(reader, vectors[i], 1)) == [f"d{i:03}"]
    writer.close()


def fill(root: Path) -> None:
    embedded.create(root, FINGERPRINT, DIMENSION)
    writer = embedded.open_writer(root, FINGERPRINT, DIMENSION)
    documents: list[EncodedPassages] = []
    for i in range(300):
        # collection "c" is a fifth of all, and all that is best for the question
        name, repeated = ("c", 9) if i % 5 == 0 else ("ab"[i % 2], 1 + i % 3)
        words = "alpha " * repeated + f"beta{i} gamma"
        documents.append(document(f"d{i:03}", words, collection=name))
    writer.write(documents)
    writer.delete("d001")
    writer.close()


def test_a_broad_filter_gives_what_a_narrow_one_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of everything are looked through, and the collections asked where they hold too few."""
    fill(tmp_path)
    reader, limits = embedded.open_reader(tmp_path, FINGERPRINT, DIMENSION), []
    plain = text._search

    def counted(searcher, query, k, limit, allowed, *, again):
        limits.append(again)
        return plain(searcher, query, k, limit, allowed, again=again)

    monkeypatch.setattr(text, "_search", counted)
    enough = []
    for k in (10, 130, 239, 300):
        limits.clear()
        broad = bm25(reader, "alpha", k, ["a", "b"])
        assert limits in ([False], [False, True])
        enough.append(len(limits) == 1)
        monkeypatch.setattr(text, "BROAD", 2.0)
        limits.clear()
        assert bm25(reader, "alpha", k, ["a", "b"]) == broad
        assert limits == [True]
        monkeypatch.setattr(text, "BROAD", 0.5)
        assert len(broad) == min(k, 239)
    assert set(enough) == {True, False}


def test_a_glance_counts_live_passages_and_documents(tmp_path: Path) -> None:
    assert glance(tmp_path) is None
    embedded.create(tmp_path, FINGERPRINT, DIMENSION)
    assert glance(tmp_path) == Glance("passages-0001", FINGERPRINT, 0, 0)
    writer = embedded.open_writer(tmp_path, FINGERPRINT, DIMENSION)
    writer.write(
        [document("d", "x", "y"), document("d", "x", version=2), document("e", "x"), document("f", "x")]
    )
    writer.delete("f")
    writer.close()
    assert glance(tmp_path) == Glance("passages-0001", FINGERPRINT, 4, 2)


def test_the_rows_index_of_an_older_version_is_replaced(tmp_path: Path) -> None:
    fill(tmp_path)
    path = next(tmp_path.glob("passages-*")) / "rows.db"
    with sqlite3.connect(path) as old:
        old.executescript("DROP INDEX changes; CREATE INDEX change ON passages (seq);")
    old.close()
    assert embedded.open_reader(tmp_path, FINGERPRINT, DIMENSION).count(ALL) == 299
    embedded.open_writer(tmp_path, FINGERPRINT, DIMENSION).close()
    with sqlite3.connect(path) as new:
        names = {name for (name,) in new.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        sql = "EXPLAIN QUERY PLAN SELECT slot, live, collection FROM passages WHERE seq > -1"
        plan = " ".join(str(row) for row in new.execute(sql))
    new.close()
    assert "change" not in names and "COVERING INDEX changes" in plan
    assert embedded.verify(tmp_path, FINGERPRINT, DIMENSION).problems == ()
