import os
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from search_app.sources import SourceError, clean_name, documents, find


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def names(*paths: Path) -> list[str]:
    return [source.name for source in find(paths)]


def test_names_begin_with_what_was_given_and_do_not_depend_on_where_one_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ["notes/ferry.md", "notes/prices.csv", "notes/sub/lighthouse.txt"]
    assert names(folder) == expected
    monkeypatch.chdir(folder)
    assert names(Path(".")) == expected
    assert names(Path("ferry.md")) == ["ferry.md"]


def test_hidden_files_and_what_is_no_file_are_passed_over(folder: Path) -> None:
    (folder / ".secret.txt").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.txt").write_text("x")
    os.mkfifo(folder / "pipe.txt")
    assert len(names(folder)) == 3


def test_an_archive_would_become_its_members(tmp_path: Path) -> None:
    inner = zipped({"deep.txt": b"deep"})
    path = tmp_path / "letters.zip"
    path.write_bytes(zipped({"b.txt": b"bee", "../../etc/a.txt": b"ay", "more.zip": inner}))
    (source,) = find([path])
    assert list(documents(source)) == [
        "letters.zip/b.txt",
        "letters.zip/etc/a.txt",
        "letters.zip/more.zip/deep.txt",
    ]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive at all"])
def test_a_broken_archive_is_itself(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(data)
    (source,) = find([path])
    assert list(documents(source)) == ["broken.zip"]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent).mkdir()
        (tmp_path / parent / "same.txt").write_text(parent)
    with pytest.raises(SourceError, match=r"same\.txt"):
        find([tmp_path / "a" / "same.txt", tmp_path / "b" / "same.txt"])


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        find([tmp_path / "nowhere"])


def test_names_that_cannot_be_stored_are_cleaned() -> None:
    assert clean_name("a\x00b\nc\udcff.txt") == "a\ufffdb\ufffdc?.txt"
    assert clean_name("e\u0301.txt") == "\xe9.txt"
    assert len(clean_name("x" * 5000 + ".txt")) == 1000
