"""Zip archives: members come out one by one, labels are never paths, limits hold."""

import contextlib
import io
import random
import zipfile

import pytest

from rag.errors import ParseError
from rag.parse.archive import ArchiveLimits, is_archive, label, members
from tests.rag.parse.samples import zipped


def test_lists_members_and_those_of_inner_archives() -> None:
    inner = zipped({"b.txt": "two", "deep/c.md": "three"})
    data = zipped({"a.txt": "one", "__MACOSX/._a.txt": "x", "dir/": "", "more/in.ZIP": inner, "z.txt": ""})
    assert is_archive("more/in.ZIP")
    assert list(members(data)) == [
        ("a.txt", b"one"),
        ("more/in.ZIP/b.txt", b"two"),
        ("more/in.ZIP/deep/c.md", b"three"),
        ("z.txt", b""),
    ]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/root/a.txt", "root/a.txt"),
        ("C:\\Users\\a.txt", "Users/a.txt"),
        ("a\x00b\n.txt", "ab .txt"),
        ("./a//b.txt", "a/b.txt"),
        ("..", ""),
    ],
)
def test_labels_are_not_paths(name: str, wanted: str) -> None:
    assert label(name) == wanted


def test_a_member_that_cannot_be_read_does_not_hide_the_others() -> None:
    data = bytearray(zipped({"a.txt": "one" * 100, "b.txt": "two"}))
    place = data.index(b"a.txt") + 5
    data[place : place + 6] = b"\xff" * 6
    found = dict(members(bytes(data)))
    assert isinstance(found["a.txt"], ParseError)
    assert found["b.txt"] == b"two"


def test_limits() -> None:
    many = zipped({f"{n}.txt": "x" for n in range(5)})
    with pytest.raises(ParseError, match="more than 4 files"):
        list(members(many, ArchiveLimits(members=4)))
    large = dict(members(zipped({"a.txt": "x" * 2000, "b.txt": "y"}), ArchiveLimits(member_bytes=1000)))
    assert "too large" in str(large["a.txt"]) and large["b.txt"] == b"y"
    total = dict(members(zipped({"a.txt": "x" * 900, "b.txt": "y" * 900}), ArchiveLimits(total_bytes=1000)))
    assert total["a.txt"] == b"x" * 900 and isinstance(total["b.txt"], ParseError)
    nested = zipped({"a.txt": "x"})
    for _ in range(5):
        nested = zipped({"n.zip": nested})
    found = list(members(nested))
    assert len(found) == 1 and isinstance(found[0][1], ParseError)


def test_a_bomb_is_not_expanded() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(20 * 2**20))
    assert "too large when expanded" in str(dict(members(buffer.getvalue()))["a.txt"])


def test_refuses_what_is_no_archive() -> None:
    with pytest.raises(ParseError, match="damaged"):
        list(members(b"PK\x03\x04 not really"))


def test_other_packing_methods_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.txt", "one")
    assert "method" in str(dict(members(buffer.getvalue()))["a.txt"])


def test_damage_anywhere_is_a_reason() -> None:
    whole = zipped({"a.txt": "one" * 50, "b/c.txt": "two"})
    source = random.Random(3)
    for _ in range(2000):
        changed = bytearray(whole)
        for _ in range(source.randint(1, 8)):
            changed[source.randrange(len(changed))] = source.randrange(256)
        with contextlib.suppress(ParseError):
            list(members(bytes(changed)))
