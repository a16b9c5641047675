"""Which reader a file gets, and the sentences for those that get none."""

import pytest

from rag.errors import ParseError
from rag.parse import select
from tests.rag.parse import samples

OLE = bytes.fromhex("d0cf11e0a1b11ae1")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.exe", b"MZ", ".exe files are not read. Supported are: txt, "),
        ("README", b"text", "Files without a suffix are not read"),
        ("a.doc", OLE, "Save the file as DOCX"),
        ("a.txt", b"", "The file is empty"),
        ("a.docx", b" \n", "The file is empty"),
        ("a.docx", b"just text", "not a DOCX file"),
        ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        ("a.pptx", OLE + b"Current User", "old binary Office format"),
        ("a.pdf", b"no header at all", "not a PDF"),
        ("a.csv", b"PK\x03\x04 zip", "zip container, not a CSV"),
        ("a.txt", bytes(range(32)) * 40, "not text"),
        ("a.msg", b"Subject: x", "not a MSG file"),
        ("a.docx", samples.zipped({"other.txt": "x"}), "missing"),
        ("a.odt", samples.zipped({"content.xml": "<a/>"}), "no body"),
        ("a.json", b"{not json}", "not valid JSON"),
        ("a.eml", b"no header here", "no header"),
    ],
)
def test_refuses_with_a_sentence(name: str, data: bytes, said: str) -> None:
    with pytest.raises(ParseError) as caught:
        select.parse(data, name)
    assert said in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "data", "module"),
    [
        ("a.docx", b"{\\rtf1 hello}", "rtf"),
        ("a.docx", b"%PDF-1.4", "pdf"),
        ("a.xlsx", b"\n<!DOCTYPE html><p>x", "html"),
        ("A.HTML", b"<p>x", "html"),
    ],
)
def test_content_decides(name: str, data: bytes, module: str) -> None:
    assert select.choose(data, name) == module


def test_every_module_declares_the_suffixes_that_lead_to_it() -> None:
    for suffix in select.SUPPORTED:
        module = select._MODULES[suffix]
        assert suffix in select.parser(module).SUFFIXES


def test_a_scan_says_that_it_needs_ocr() -> None:
    with pytest.raises(ParseError, match=r"3 pages but no text.*OCR"):
        select.parse(samples.pdf([], [], []), "scan.pdf")


def test_an_unforeseen_failure_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from rag.parse import text

    def fail(data: bytes, name: str) -> None:
        raise KeyError("inner")

    monkeypatch.setattr(text, "parse", fail)
    with pytest.raises(ParseError, match=r"cannot be read as TXT \(KeyError\)"):
        select.parse(b"x", "a.txt")
