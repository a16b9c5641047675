import os
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from rag.errors import ParseError
from search_app.sources import Reader, SourceError, clean_name, find


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


def test_members_of_archives_are_sources_too(tmp_path: Path) -> None:
    inner = zipped({"deep.txt": b"deep"})
    path = tmp_path / "letters.zip"
    path.write_bytes(zipped({"b.txt": b"bee", "../../etc/a.txt": b"ay", "more.zip": inner}))
    found = find([path])
    assert [s.name for s in found] == [
        "letters.zip/b.txt",
        "letters.zip/etc/a.txt",
        "letters.zip/more.zip/deep.txt",
    ]
    reader = Reader()
    assert [reader.read(source) for source in found] == [b"bee", b"ay", b"deep"]
    assert reader.read(found[1]) == b"ay"  # out of order, too


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no archive at all", zipped({})])
def test_a_broken_or_empty_archive_is_one_source_with_a_reason(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(data)
    (source,) = find([path])
    assert source.name == "broken.zip"
    assert source.reason.endswith(".")
    with pytest.raises(ParseError):
        Reader().read(source)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent).mkdir()
        (tmp_path / parent / "same.txt").write_text(parent)
    with pytest.raises(SourceError, match=r"same\.txt"):
        find([tmp_path / "a" / "same.txt", tmp_path / "b" / "same.txt"])


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        find([tmp_path / "nowhere"])


def test_a_file_that_went_away_has_a_reason(folder: Path) -> None:
    source = find([folder / "ferry.md"])[0]
    (folder / "ferry.md").unlink()
    with pytest.raises(ParseError, match="cannot be read"):
        Reader().read(source)


def test_names_that_cannot_be_stored_are_cleaned() -> None:
    assert clean_name("a\x00b\nc\udcff.txt") == "a\ufffdb\ufffdc?.txt"
    assert clean_name("e\u0301.txt") == "\xe9.txt"
    assert len(clean_name("x" * 5000 + ".txt")) == 1000
