"""The embedded index keeps the contract, and what only a folder has to promise."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rag.errors import IndexBusy, IndexCorrupt, IndexUnavailable
from rag.index import embedded
from rag.index.embedded.vectors import Arrays
from rag.types import Dense, Lexical
from tests.contracts.filters import FilterContract, SpellingContract
from tests.contracts.index import ALL, DIMENSION, FINGERPRINT, IndexContract, bm25, document, found, knn, unit
from tests.contracts.large_index import LargeIndexContract

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Folder:
    root: Path

    def writer(self, languages: Mapping[str, str] | None = None) -> embedded.EmbeddedWriter:
        return embedded.open_writer(self.root, FINGERPRINT, DIMENSION, languages=languages)

    def reader(self) -> embedded.EmbeddedReader:
        return embedded.open_reader(self.root, FINGERPRINT, DIMENSION)

    def verify(self):
        return embedded.verify(self.root, FINGERPRINT, DIMENSION)

    @property
    def version(self) -> Path:
        return self.root / (self.root / "current").read_text().strip()


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    embedded.create(tmp_path / "index", FINGERPRINT, DIMENSION)
    return Folder(tmp_path / "index")


class TestEmbedded(IndexContract, FilterContract, SpellingContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Folder:
        embedded.create(tmp_path / "index", FINGERPRINT, DIMENSION)
        return Folder(tmp_path / "index")


@pytest.mark.slow
class TestEmbeddedLarge(LargeIndexContract):
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, tmp_path_factory: pytest.TempPathFactory) -> Folder:
        root = tmp_path_factory.mktemp("large") / "index"
        embedded.create(root, FINGERPRINT, DIMENSION)
        return Folder(root)


# --- opening -----------------------------------------------------------------------------------------


def test_create_keeps_what_there_is(place: Folder) -> None:
    with_one(place)
    embedded.create(place.root, FINGERPRINT, DIMENSION)
    assert place.reader().count(ALL) == 1


def with_one(place: Folder, text: str = "alpha") -> None:
    writer = place.writer()
    writer.write([document("d", text)])
    writer.close()


def test_an_index_of_another_encoder_is_refused(place: Folder, tmp_path: Path) -> None:
    for fingerprint, dimension in (("another", DIMENSION), (FINGERPRINT, 64)):
        for opened in (embedded.open_reader, embedded.open_writer):
            with pytest.raises(IndexCorrupt, match="manage.py reindex"):
                opened(place.root, fingerprint, dimension)
    with pytest.raises(IndexCorrupt, match="no index"):
        embedded.open_reader(tmp_path / "nowhere", FINGERPRINT, DIMENSION)
    place.writer().close()  # a refused writer holds no lock


def test_a_second_writer_is_told_to_wait(place: Folder) -> None:
    first = place.writer()
    with pytest.raises(IndexBusy, match="Another process"):
        place.writer()
    threading.Timer(0.2, first.close).start()
    embedded.open_writer(place.root, FINGERPRINT, DIMENSION, wait_s=10).close()


def test_a_collection_keeps_its_language(place: Folder) -> None:
    writer = place.writer({"a": "en"})
    writer.set_languages({"a": "de"})
    writer.write([document("d", "Bücher")])
    with pytest.raises(IndexCorrupt, match=r"another language: a.*reindex"):
        writer.set_languages({"a": "fr", "b": "fr"})
    with pytest.raises(ValueError, match="no language 'xx'; there are: ar, cjk"):
        writer.set_languages({"c": "xx"})
    writer.delete("d")
    writer.set_languages({"a": "fr"})
    writer.close()
    assert found(bm25(place.reader(), "Buch")) == []


# --- readers beside a writer -------------------------------------------------------------------------


def test_a_replaced_document_is_always_there_once(place: Folder) -> None:
    """Threads ask without pause while the same two documents are written again and again."""
    reader, stop = place.reader(), threading.Event()
    writer = place.writer()
    writer.write([document("d", "alpha zero"), document("e", "alpha zero")])
    wrong: list[object] = []
    asked = [0, 0, 0]

    def ask(number: int) -> None:
        while not stop.is_set():
            asked[number] += 1
            legs = reader.search([Lexical("alpha"), Dense(unit(1)[0])], 10, ALL)
            seen = [sorted((p.document_id, p.text) for p in leg.ranking.passages) for leg in legs]
            texts = {text for leg in seen for _, text in leg}
            if [[d for d, _ in leg] for leg in seen] != [["d", "e"]] * 2 or len(texts) != 1:
                wrong.append(seen)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for step in range(20):
        writer.write([document("d", f"alpha {step}"), document("e", f"alpha {step}")])
    stop.set()
    for thread in threads:
        thread.join()
    writer.close()
    assert wrong == [] and min(asked) > 5
    assert place.verify().problems == ()


def test_a_reader_survives_a_fork(place: Folder) -> None:
    with_one(place)
    reader = place.reader()
    assert found(bm25(reader, "alpha")) == ["d"]
    pid = os.fork()
    if pid == 0:
        os._exit(0 if found(bm25(reader, "alpha")) == ["d"] else 1)
    assert os.waitpid(pid, 0)[1] == 0


# --- rebuild -----------------------------------------------------------------------------------------


def test_rebuild_switches_open_readers(place: Folder) -> None:
    with_one(place, "old alpha")
    reader = place.reader()
    assert (reader.version, found(bm25(reader, "old"))) == ("passages-0001", ["d"])

    def documents():
        yield document("d", "new alpha")
        assert found(bm25(reader, "old")) == ["d"]  # until the switch
        with pytest.raises(IndexBusy):
            place.writer()
        yield document("e", "neue Bücher", collection="b")

    name = embedded.rebuild(place.root, FINGERPRINT, DIMENSION, documents(), languages={"b": "de"}, group=1)
    assert name == reader.version == "passages-0002"
    assert found(bm25(reader, "old")) == [] and found(bm25(reader, "buch")) == ["e"]
    assert [path.name for path in place.root.glob("passages-*")] == ["passages-0002"]
    assert place.verify().problems == ()


def test_a_failed_rebuild_changes_nothing(place: Folder) -> None:
    with_one(place)

    def documents():
        yield document("e", "beta")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        embedded.rebuild(place.root, FINGERPRINT, DIMENSION, documents(), group=1)
    assert place.reader().documents() == {("d", 1): 1}
    assert embedded.rebuild(place.root, FINGERPRINT, DIMENSION, []) == "passages-0003"
    assert len(list(place.root.glob("passages-*"))) == 1


def test_rebuild_replaces_an_index_of_another_encoder(place: Folder) -> None:
    with_one(place)
    assert embedded.verify(place.root, "another", DIMENSION).problems
    embedded.rebuild(place.root, "another", DIMENSION, [document("d", "alpha")])
    assert embedded.verify(place.root, "another", DIMENSION).problems == ()


# --- damage ------------------------------------------------------------------------------------------


@pytest.fixture
def filled(place: Folder) -> Folder:
    writer = place.writer({"b": "de"})
    writer.write(
        document(f"d{i}", "alpha beta", "gamma", collection="ab"[i % 2], vectors=unit(2, i))
        for i in range(20)
    )
    writer.delete("d19")
    writer.close()
    report = place.verify()
    assert (report.passages, report.documents, report.problems) == (38, 19, ())
    assert any("2 slots are no longer in use" in note for note in report.notes)
    return place


def test_verify_sees_damaged_vectors_and_codes(filled: Folder) -> None:
    with (filled.version / "vectors.f16").open("r+b") as file:
        file.seek(5 * 2 * DIMENSION)
        file.write(b"\0" * 8)
    with (filled.version / "codes.bin").open("r+b") as file:
        file.seek(3)
        file.write(b"!")
    (problem,) = filled.verify().problems
    assert problem.startswith("2 passages have a damaged vector") and "d0:1:0, d2:1:1" in problem


def test_verify_sees_files_that_end_early(filled: Folder) -> None:
    codes = filled.version / "codes.bin"
    os.truncate(codes, codes.stat().st_size - 200)
    assert any("no token codes" in problem for problem in filled.verify().problems)
    assert found(bm25(filled.reader(), "alpha", 1))
    with pytest.raises(IndexUnavailable, match="reindex"):
        filled.reader().token_codes(["d18:1:1"])
    os.truncate(filled.version / "vectors.f16", 100)
    assert "vectors are incomplete" in filled.verify().problems[0]
    with pytest.raises(IndexUnavailable, match="reindex"):
        filled.reader().search([Lexical("alpha")], 5, ALL)


def test_verify_sees_lost_rows_and_lost_terms(filled: Folder) -> None:
    rows = sqlite3.connect(filled.version / "rows.db")
    rows.execute("UPDATE passages SET live = 0 WHERE id = 'd2:1:0'")
    rows.execute("UPDATE passages SET text = 'other' WHERE id = 'd3:1:0'")
    rows.commit()
    rows.close()
    problems = " ".join(filled.verify().problems)
    assert "1 document versions lack some of their passages (d2:1)" in problems
    assert "damaged text (d3:1:0)" in problems


@pytest.mark.parametrize("suffix", ["term", "idx", "fast", "fieldnorm", "store"])
def test_verify_sees_any_damaged_file_of_the_text_index(filled: Folder, suffix: str) -> None:
    (path, *_) = sorted((filled.version / "text-de").glob(f"*.{suffix}"))
    with path.open("r+b") as file:  # in place, as a disk does it
        flip = file.seek(path.stat().st_size // 4)
        byte = file.read(1)[0] ^ 0x10
        file.seek(flip)
        file.write(bytes([byte]))
    (problem,) = filled.verify().problems
    assert "text index for de" in problem and "reindex" in problem
    for leg in filled.reader().search([Dense(unit(1)[0]), Lexical("alpha")], 5, ALL):
        assert leg.ranking is not None or isinstance(leg.error, IndexUnavailable)


def test_one_leg_answers_without_the_other(filled: Folder) -> None:
    for path in (filled.version / "text-de").iterdir():
        path.unlink()
    assert any("text index for de cannot be opened" in problem for problem in filled.verify().problems)
    words, meaning = filled.reader().search([Lexical("alpha"), Dense(unit(1)[0])], 5, ALL)
    assert isinstance(words.error, IndexUnavailable) and "reindex" in str(words.error)
    assert meaning.ranking is not None and len(meaning.ranking) == 5
    with pytest.raises(IndexUnavailable):
        filled.reader().search([Lexical("alpha")], 5, ALL)
    assert len(bm25(filled.reader(), "alpha", 5, ["a"])) == 5  # the other language is whole


def test_damaged_rows_are_a_plain_error(filled: Folder) -> None:
    (filled.version / "rows.db").write_bytes(b"no database at all" * 1000)
    for suffix in ("-wal", "-shm"):
        (filled.version / f"rows.db{suffix}").unlink(missing_ok=True)
    with pytest.raises(IndexUnavailable):
        filled.reader().search([Lexical("alpha")], 5, ALL)
    assert "reindex" in filled.verify().problems[0]
    with pytest.raises(IndexCorrupt, match="reindex"):
        filled.writer()


# --- death -------------------------------------------------------------------------------------------

_CHILD = """
import sys
from pathlib import Path
from rag.index import embedded
from tests.contracts.index import DIMENSION, FINGERPRINT, document

writer = embedded.open_writer(Path(sys.argv[1]), FINGERPRINT, DIMENSION, wait_s=5)
batch = int(sys.argv[2])
print("open", flush=True)
while True:
    batch += 1
    # three new documents, and one that every batch replaces
    names = [f"b{batch}n{i}" for i in range(3)] + ["again"]
    writer.write(document(name, f"alpha {name}", f"beta {name} {batch}") for name in names)
    print(batch, flush=True)
"""


def test_killed_at_any_moment_it_opens_again(place: Folder) -> None:
    random, reported = np.random.default_rng(), 0
    reader = place.reader()
    for turn in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(place.root), str(reported)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        assert child.stdout is not None and child.stdout.readline() == "open\n"
        lines = [child.stdout.readline()] if turn % 2 else []  # half of them after a whole commit
        time.sleep(random.uniform(0.0, 0.3))
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().splitlines()
        child.wait()
        reported = int(lines[-1]) if lines else reported
        report = place.verify()
        assert report.problems == ()
        held = reader.documents()
        batches = {int(name[1:].split("n")[0]) for name, _ in held if name != "again"}
        assert batches >= set(range(1, reported + 1)) and len(batches) <= reported + 1
        assert set(held.values()) <= {2} and len(held) == 3 * len(batches) + bool(batches)
        reported = len(batches)  # one more may have been committed than was reported
        ranking = bm25(reader, "alpha", 10_000)
        assert len(ranking.ranks()) == len(ranking) == len(held)
        assert len(knn(reader, unit(1)[0], 10_000)) == 2 * len(held)
    assert reported >= 5
    with_one(place, "alpha")
    assert not any("text index" in note for note in place.verify().notes)  # left-overs are swept


def test_only_deletions_that_a_commit_knows_can_be_damaged(place: Folder) -> None:
    writer = place.writer()
    writer.write(document(f"d{i}", "alpha") for i in range(5))
    writer.close()
    writer = place.writer()
    writer.delete("d0")
    writer.write([document("x", "beta")])
    writer.close()
    (known,) = (place.version / "text-en").glob("*.del")
    segment = known.name.partition(".")[0]
    (known.parent / f"{segment}.99999.del").write_bytes(b"cut off by a k")
    assert place.verify().problems == ()
    first = known.read_bytes()[0]
    with known.open("r+b") as file:  # in place: cut short, it kills a thread of tantivy that maps it
        file.write(bytes([first ^ 0x10]))
    (problem,) = place.verify().problems
    assert known.name in problem


def test_a_commit_cut_off_in_the_text_index_can_be_made_again(place: Folder) -> None:
    """Killed between writing what a segment deletes and naming it: the file stands in the way of the next."""

    def change() -> None:
        writer = place.writer()
        writer.delete("d0")
        writer.write([document("x", "beta")])
        writer.close()

    writer = place.writer()
    writer.write(document(f"d{i}", "alpha") for i in range(5))
    writer.close()
    before = {name: (place.version / name).read_bytes() for name in ("rows.db", "text-en/meta.json")}
    change()
    assert list((place.version / "text-en").glob("*.del"))
    for name, data in before.items():
        (place.version / name).write_bytes(data)
    change()
    assert found(bm25(place.reader(), "alpha beta x")) == ["x", "d1", "d2", "d3", "d4"]
    assert place.verify().problems == ()


def test_a_torn_vector_is_never_reused(place: Folder) -> None:
    with_one(place)
    with (place.version / "vectors.f16").open("ab") as file:
        file.write(b"torn")
    writer = place.writer()
    writer.write([document("e", "alpha", vectors=unit(1, 5))])
    writer.close()
    assert found(knn(place.reader(), unit(1, 5)[0]))[0] == "e"
    assert place.verify().problems == ()


# --- arithmetic --------------------------------------------------------------------------------------


def test_widening_half_floats_is_exact(tmp_path: Path) -> None:
    """Every finite half float, denormals, both zeros and both signs, against numpy's own conversion."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)].reshape(-1, DIMENSION)
    (tmp_path / "vectors.f16").write_bytes(every.tobytes())
    (tmp_path / "codes.bin").touch()
    arrays = Arrays(tmp_path, DIMENSION)
    for place in (0, 7, DIMENSION - 1):
        one = np.zeros(DIMENSION, np.float32)
        one[place] = 0.5
        expected = every[:, place].astype(np.float32) * np.float32(0.5)
        assert np.array_equal(arrays.cosines(one), expected)
        some = np.array([1900, 3, 3, 0])
        assert np.array_equal(arrays.cosines(one, some), expected[some])
