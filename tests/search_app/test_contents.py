import fcntl
import os
import threading
import time
from pathlib import Path

import pytest
from django.core.files.uploadedfile import TemporaryUploadedFile

from rag.errors import ParseError
from search_app import contents


@pytest.fixture(autouse=True)
def place(tmp_path: Path, settings: object) -> Path:
    settings.CONTENT_DIR = tmp_path / "contents"
    return settings.CONTENT_DIR


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_bytes_are_kept_once_under_their_hash(place: Path) -> None:
    first, again = contents.put([b"ab", b"c"]), contents.put([b"abc"])
    assert (first, first.size) == (again, 3)
    assert first.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert contents.read(first.sha256) == b"abc"
    assert len(list(place.glob("??/*"))) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63])
def test_what_is_no_hash_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        contents.path(name)
    with pytest.raises(ParseError, match="Upload it again"):
        contents.read(name)


def test_an_upload_that_breaks_off_leaves_nothing(place: Path) -> None:
    def pieces():  # noqa: ANN202
        yield b"one"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        contents.put(pieces())
    assert [path.name for path in place.iterdir()] == []


def test_what_no_row_names_is_cleared_away_after_an_hour(place: Path) -> None:
    wanted, old, young = (contents.put([data]).sha256 for data in (b"wanted", b"old", b"young"))
    draft = place / ".draft-died"
    draft.write_bytes(b"half")
    with TemporaryUploadedFile("a.txt", "text/plain", 4, None) as received:
        left = Path(received.temporary_file_path())
        for path in (contents.path(wanted), contents.path(old), draft, left):
            age(path, 4000)
        assert contents.collect({wanted}) == 3
        assert not left.exists()
    assert contents.missing([wanted, old, young]) == [old]
    assert not draft.exists()


def test_a_file_that_is_put_again_while_others_are_cleared_away_stays() -> None:
    kept = contents.put([b"again"])
    age(contents.path(kept.sha256), 4000)
    collecting = threading.Thread(target=contents.collect, args=(set(),))
    with contents._guard(fcntl.LOCK_SH):  # as `put` holds it while it puts the file in place
        collecting.start()
        collecting.join(timeout=0.3)
        assert collecting.is_alive()
        os.utime(contents.path(kept.sha256))
    collecting.join()
    assert contents.read(kept.sha256) == b"again"
