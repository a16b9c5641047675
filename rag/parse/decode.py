"""Bytes to characters, for formats that do not say, or say wrongly, how they are encoded."""

import codecs
import re

from rag.errors import ParseError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 4096
# https://encoding.spec.whatwg.org/#names-and-labels: browsers read these labels as windows-1252.
_LABELS = {"ascii": "cp1252", "us-ascii": "cp1252", "iso-8859-1": "cp1252", "latin1": "cp1252"}
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def decode(data: bytes, *, declared: str | None = None) -> str:
    """A byte order mark decides, then UTF-8 if it fits, then what is declared, then windows-1252.

    Raises `ParseError` when the bytes are not text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    if wide := _utf16_without_mark(data):
        return data.decode(wide, "replace")
    refuse_binary(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A cut or a stray byte in a long UTF-8 text: better one replacement than all of it misread.
        if _mostly_utf8(data, error.start):
            return data.decode("utf-8", "replace")
    return data.decode(_codec(declared) or _guess(data), "replace")


def refuse_binary(data: bytes) -> None:
    """Raise `ParseError` when a text file is full of control characters."""
    sample = data[:_SAMPLE]
    if len(_BINARY.findall(sample)) > len(sample) // 20:
        raise ParseError("The file is not text: it holds binary data.")


def _utf16_without_mark(data: bytes) -> str | None:
    sample = data[:_SAMPLE]
    if len(sample) < 8 or len(data) % 2:
        return None
    half = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.05:
        return "utf-16-be"
    return None


def _mostly_utf8(data: bytes, first_fault: int) -> bool:
    text = data.decode("utf-8", "replace")
    faults = text.count("\ufffd")
    good = sum(1 for character in text[: _SAMPLE * 4] if ord(character) > 127) - faults
    return good > 10 * faults and first_fault > 0


def _guess(data: bytes) -> str:
    """Windows-1252, unless the letters look Cyrillic: then windows-1251."""
    high = [byte for byte in data[:_SAMPLE] if byte >= 0x80]
    cyrillic = sum(1 for byte in high if byte >= 0xC0)
    letters = sum(1 for byte in data[:_SAMPLE] if chr(byte).isascii() and chr(byte).isalpha())
    return "cp1251" if cyrillic > 20 and cyrillic > 2 * letters else "cp1252"


def _codec(label: str | None) -> str | None:
    if not label:
        return None
    label = label.strip().lower()
    try:
        return _LABELS.get(label) or codecs.lookup(label).name
    except LookupError:
        return None
