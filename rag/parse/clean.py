"""The one place where extracted characters become the text that is stored."""

import re
import unicodedata

_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Controls, soft hyphens, zero-width spaces, byte order marks and noncharacters carry no meaning for a
# reader; bidirectional overrides can show a quotation in another order than it is stored. Zero-width
# joiners stay: they change words in Persian and in Indic scripts.
_DROPPED = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LIGATURES = str.maketrans(
    {
        "\ufb00": "ff",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb03": "ffi",
        "\ufb04": "ffl",
        "\ufb05": "st",
        "\ufb06": "st",
    }
)
"""Typesetting, not spelling: nobody searches for them, and no stemmer knows them."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_TRAILING = re.compile(r"[ \t]+(?=\n|\Z)")
_BLANK = re.compile(r"\n{3,}")
_RUNS = re.compile(r"\s+")


def clean(text: str) -> str:
    """The text with the invariants of `ParsedDocument`; cleaning twice changes nothing.

    Lines lose trailing blanks, and two line ends in a row are the most that stay.
    """
    text = _BREAKS.sub("\n", text)
    text = _DROPPED.sub("", text)
    if not text.isascii():
        text = text.translate(_LIGATURES)
        text = _SURROGATES.sub("\ufffd", _SPACES.sub(" ", text))
        text = unicodedata.normalize("NFC", text)
    return _BLANK.sub("\n\n", _TRAILING.sub("", text))


def one_line(text: str) -> str:
    """The cleaned text with every run of white space as one space, and none at the ends."""
    return _RUNS.sub(" ", clean(text)).strip()
