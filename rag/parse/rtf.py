"""Rich Text Format: one pass over its control words, without recursion.

Follows the RTF specification 1.9.1 (Microsoft, 2008) as far as text, headings, lists and tables go.
"""

import re
from dataclasses import dataclass, replace

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer

SUFFIXES = (".rtf",)
_TOKEN = re.compile(
    r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z'])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_MAX_DEPTH = 2_000
_CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    254: "cp437", 255: "cp850",
}  # fmt: skip
_SIGNS = {
    "tab": "\t", "line": "\n", "softline": "\n", "lbr": "\n", "emdash": "—", "endash": "–", "emspace": " ",
    "enspace": " ", "qmspace": " ", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "~": " ", "_": "-", "{": "{", "}": "}", "\\": "\\",
}  # fmt: skip
_SKIPPED_WORDS = (
    "colortbl pict objdata header headerl headerr headerf footer footerl footerr footerf themedata "
    "colorschememapping datastore latentstyles listtable listoverridetable revtbl rsidtbl generator xmlnstbl "
    "filetbl fldinst sp upr pn pnseclvl wgrffmtfilter mmathPr bkmkstart bkmkend annotation atnid atnauthor "
    "atndate atnref atnicn nonshppict objclass objname ftnsep ftnsepc aftnsep template operator company "
    "doccomm keywords comment category manager subject tc xe"
)
_SKIPPED = frozenset(_SKIPPED_WORDS.split())
_READ_ANYWAY = frozenset(("shpinst", "shptxt", "ud", "listtext", "pntext"))
_COLLECTED = {"fonttbl": "font", "stylesheet": "style", "title": "title", "author": "author"}


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the group ends. `kind` "" is body text, "skip" is nothing."""

    kind: str = ""
    codec: str = ""
    fallback: int = 1
    """Characters after a `\\u` that repeat it for old readers."""
    hidden: bool = False


def parse(data: bytes, name: str) -> ParsedDocument:
    start = data.find(b"{\\rtf", 0, 1024)
    if start < 0:
        raise ParseError("The file is not RTF, or its beginning is damaged.")
    reader = _Reader()
    reader.read(data[start:].decode("latin-1"))
    return reader.composer.finish(
        name, title=reader.fields.get("title", ""), metadata={"author": reader.fields.get("author", "")}
    )


class _Reader:
    def __init__(self) -> None:
        self.composer = Composer()
        self.fields: dict[str, str] = {}
        self._stack: list[_Group] = []
        self._group = _Group()
        self._codec = "cp1252"
        self._fonts: dict[int, str] = {}
        self._styles: dict[int, int] = {}
        """Style number to heading level."""
        self._bytes = bytearray()
        self._parts: list[str] = []
        self._aside: list[str] = []
        """Text of the destination being collected: a font, a style, a title, a list marker."""
        self._number = 0
        self._level = 0
        self._depth = 0
        self._marker = ""
        self._cells: list[str] = []
        self._skip = 0

    def read(self, text: str) -> None:
        position = 0
        while match := _TOKEN.match(text, position):
            position = match.end()
            word, argument, code, sign, brace, plain = match.groups()
            if brace == "{":
                self._open()
            elif brace:
                self._close()
            elif word == "bin":
                position += max(0, int(argument or 0))
            elif word:
                starred = text.startswith("\\*", match.start() - 2) if match.start() >= 2 else False
                self._word(word, None if argument is None else int(argument), starred)
            elif code:
                self._characters(bytes((int(code, 16),)))
            elif sign in _SIGNS:
                self._flush()
                self._put(_SIGNS[sign])
            elif sign and sign in "\r\n":
                self._paragraph()
            elif plain:
                self._characters(plain.encode("latin-1"))
        self._paragraph()
        if self._cells:
            self.composer.row(self._cells)

    def _open(self) -> None:
        self._flush()
        self._stack.append(self._group)
        if len(self._stack) > _MAX_DEPTH:
            raise ParseError("The file is nested too deeply to be read.")

    def _close(self) -> None:
        self._flush()
        self._skip = 0
        before = self._stack.pop() if self._stack else _Group()
        if self._group.kind not in ("", "skip") and (self._aside or before.kind != self._group.kind):
            self._collected(self._group.kind, "".join(self._aside).strip().rstrip(";"))
            self._aside.clear()
        self._group = before

    def _collected(self, kind: str, text: str) -> None:
        if kind == "style":
            if found := re.match(r"(?:heading|überschrift|titre) ?(\d)", text, re.IGNORECASE):
                self._styles[self._number] = int(found[1])
        elif kind == "marker":
            self._marker = text
        elif kind != "font" and text:
            self.fields[kind] = text

    def _word(self, word: str, argument: int | None, starred: bool) -> None:
        self._flush()
        group = self._group
        if word == "u" and argument is not None:
            self._put(chr(argument % 65_536))
            self._skip = group.fallback
        elif word in _SIGNS:
            self._put(_SIGNS[word])
        elif word in ("listtext", "pntext"):
            self._group = replace(group, kind="marker")
        elif word in _COLLECTED:
            self._group = replace(group, kind=_COLLECTED[word])
        elif word in _SKIPPED or (starred and word not in _READ_ANYWAY):
            self._group = replace(group, kind="skip")
        elif word == "ud":
            self._group = replace(group, kind="")
        elif word == "uc":
            self._group = replace(group, fallback=max(0, argument or 0))
        elif word == "v":
            self._group = replace(group, hidden=argument != 0)
        elif word == "ansicpg" and argument:
            self._codec = _known(f"cp{argument}", self._codec)
        elif word == "mac":
            self._codec = "mac_roman"
        elif word == "f" and argument is not None:
            self._number = argument
            if group.kind != "font":
                self._group = replace(group, codec=self._fonts.get(argument, ""))
        elif word == "fcharset" and argument in _CHARSETS:
            self._fonts[self._number] = _CHARSETS[argument]
        elif word == "plain":
            self._group = replace(group, codec="", hidden=False)
        elif group.kind != "skip":
            self._layout(word, argument)

    def _layout(self, word: str, argument: int | None) -> None:
        if word == "s" and argument is not None:
            if self._group.kind == "style":
                self._number = argument
            else:
                self._level = self._styles.get(argument, 0)
        elif self._group.kind:
            return
        elif word in ("par", "sect", "page"):
            self._paragraph()
        elif word in ("cell", "nestcell"):
            self._cells.append("".join(self._parts))
            self._parts.clear()
            self._marker = ""
        elif word in ("row", "nestrow"):
            self.composer.row(self._cells)
            self._cells.clear()
        elif word == "pard":
            self._level = self._depth = 0
        elif word == "outlinelevel" and argument is not None and 0 <= argument < 9:
            self._level = argument + 1
        elif word == "ilvl" and argument is not None:
            self._depth = min(max(argument, 0), 8)

    def _paragraph(self) -> None:
        self._flush()
        text = "".join(self._parts)
        self._parts.clear()
        marker, self._marker = self._marker, ""
        if self._cells:
            # A paragraph end inside a table cell.
            self._parts.append(text + " ")
        elif self._level:
            self.composer.heading(f"{marker} {text}", self._level)
        elif marker:
            self.composer.item(text, self._depth, marker if any(map(str.isalnum, marker)) else "-")
        else:
            self.composer.paragraph(text)

    def _characters(self, data: bytes) -> None:
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        self._bytes += data

    def _flush(self) -> None:
        """Decode the bytes gathered: characters of two bytes may be half escaped, half plain."""
        if self._bytes:
            self._put(self._bytes.decode(self._group.codec or self._codec, "replace"))
            self._bytes.clear()

    def _put(self, text: str) -> None:
        if self._group.kind in ("skip", "font") or self._group.hidden:
            return
        (self._aside if self._group.kind else self._parts).append(text)


def _known(codec: str, default: str) -> str:
    try:
        "".encode(codec)
    except LookupError:
        return default
    return codec
