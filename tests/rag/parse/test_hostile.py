"""Files made to hurt: each ends as a document or as a plain reason, and soon."""

import io
import zipfile
from collections.abc import Iterator

import pytest

from rag.errors import ParseError
from rag.parse.limits import Limits
from rag.parse.sandbox import ParserPool
from tests.rag.parse import samples

_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 20}">' for n in range(8))
    + "]>"
)


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    with ParserPool(1, Limits(seconds=20)) as pool:
        yield pool


def refusal(pool: ParserPool, data: bytes, name: str) -> str:
    with pytest.raises(ParseError) as caught:
        pool.submit(data, name).result(timeout=60)
    return str(caught.value)


def deflated(name: str, size: int, **others: str) -> bytes:
    """A zip whose member is `size` zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for other, content in others.items():
            archive.writestr(other, content)
        with archive.open(name, "w", force_zip64=True) as member:
            for _ in range(size // 2**20):
                member.write(bytes(2**20))
    return buffer.getvalue()


def test_zip_bomb(pool: ParserPool) -> None:
    bomb = deflated("word/document.xml", 140 * 2**20)
    assert len(bomb) < 2**20
    assert "too large when expanded" in refusal(pool, bomb, "a.docx")


@pytest.mark.parametrize("name", ["a.xml", "a.docx", "a.xlsx"])
def test_entities_are_not_expanded(pool: ParserPool, name: str) -> None:
    data = (_BOMB + "<p>&i;</p>").encode()
    if name == "a.docx":
        data = samples.zipped({"word/document.xml": data})
    if name == "a.xlsx":
        data = samples.zipped({"xl/workbook.xml": data})
    assert refusal(pool, data, name)


def test_outside_entities_are_not_read(pool: ParserPool) -> None:
    data = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x><p>before</p><p>&f;</p></x>'
    assert pool.submit(data, "a.xml").result(timeout=60).text == "before"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.xml", b"<a>" * 200_000),
        ("a.xml", b"<a>" * 200 + b"deep" + b"</a>" * 200),
        ("a.html", b"<div>" * 100_000 + b"deep"),
        ("a.html", b"<ul><li>" * 50_000 + b"deep"),
        ("a.html", b"<table><tr><td>" * 5_000 + b"deep"),
        ("a.json", b"[" * 200_000 + b"]" * 200_000),
        ("a.json", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
        ("a.rtf", b"{\\rtf1 " + b"{" * 100_000 + b"deep"),
        ("a.rtf", b"{\\rtf1 \\bin999999999999 x"),
        ("a.md", b">" * 20_000 + b"deep"),
        ("a.md", b"- " * 5_000 + b"deep"),
        ("a.md", b"[" * 20_000),
        ("a.md", b"*a_ " * 20_000),
        ("a.csv", b'"' + b"x" * 3_000_000),
        ("a.txt", "e\u0301".encode() * 500_000),
        ("a.eml", b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 50_000),
    ],
)
def test_depth_and_repetition(pool: ParserPool, name: str, data: bytes) -> None:
    try:
        assert pool.submit(data, name).result(timeout=60).text
    except ParseError as error:
        assert str(error).endswith(".")


def test_deep_docx(pool: ParserPool) -> None:
    tables = "<w:tbl><w:tr><w:tc>" * 60 + samples.word_paragraph("deep") + "</w:tc></w:tr></w:tbl>" * 60
    assert "deep" in pool.submit(samples.word(tables), "a.docx").result(timeout=60).text


def test_claimed_dimensions_of_a_sheet_cost_nothing(pool: ParserPool) -> None:
    data = samples.workbook(
        Big='<row r="1048576"><c r="XFD1048576"><v>7</v></c><c r="A1"><v>1</v></c></row>',
    )
    document = pool.submit(data, "a.xlsx").result(timeout=60)
    assert document.text == "Big\n\n7 | 1"


def test_mails_in_mails_end(pool: ParserPool) -> None:
    data = b"Subject: inmost\n\nHello\n"
    for level in range(30):
        data = (
            (
                f"Subject: level {level}\nMIME-Version: 1.0\n"
                f'Content-Type: multipart/mixed; boundary="b{level}"\n\n--b{level}\n'
                'Content-Type: message/rfc822\nContent-Disposition: attachment; filename="m.eml"\n\n'
            ).encode()
            + data
            + f"\n--b{level}--\n".encode()
        )
    document = pool.submit(data, "a.eml").result(timeout=60)
    assert document.title == "level 29"
    assert "inmost" not in document.text


def test_an_endless_text_is_refused() -> None:
    with ParserPool(1, Limits(characters=100_000)) as small:
        assert "100,000 characters of text" in refusal(small, b"word " * 30_000, "a.txt")


def test_a_memory_limit_is_a_reason() -> None:
    limits = Limits(seconds=30, memory_bytes=160 * 2**20)
    with ParserPool(1, limits) as pool:
        data = b"[" + b'{"a":1},' * 1_000_000 + b"1]"
        assert "memory" in refusal(pool, data, "a.json")
        assert pool.submit(b"still here", "a.txt").result(timeout=60).text == "still here"
