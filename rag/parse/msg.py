"""Outlook messages: OLE containers with a stream for each property ([MS-OXMSG])."""

import io
import struct
from pathlib import PurePosixPath

import olefile

from rag.errors import ParseError
from rag.parse import html, mail, rtf
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.decode import decode
from rag.parse.lzfu import decompress

SUFFIXES = (".msg",)
_SUBJECT, _BODY, _RTF, _HTML = "0037", "1000", "1009", "1013"
_FIELDS = {"from": "0C1A", "to": "0E04", "cc": "0E03"}
_ATTACHMENT = "__attach_version1.0_"
_LONG_NAME, _NAME, _DATA = "3707", "3704", "3701"
_PROPERTIES: tuple[tuple[str, ...], str] = ((), "__properties_version1.0")
_CODE_PAGE = 0x3FFD0003
"""PidTagMessageCodepage, an integer."""
_MAX_STREAM = 64 * 2**20


def parse(data: bytes, name: str) -> ParsedDocument:
    try:
        container = olefile.OleFileIO(io.BytesIO(data))
    except (OSError, ValueError, IndexError, TypeError, AttributeError) as error:
        raise ParseError("The message is damaged: its container cannot be opened.") from error
    if not container.exists("__properties_version1.0"):
        raise ParseError("The file is not an Outlook message, though its name ends in .msg.")
    streams = _streams(container)
    subject = _text(streams, (), _SUBJECT)
    composer = Composer()
    fields = {key: _text(streams, (), tag) for key, tag in _FIELDS.items()}
    mail.begin(composer, subject, fields)
    _body(composer, streams)
    skipped = mail.attach(composer, _attachments(streams))
    return composer.finish(name, title=subject, metadata={"author": fields["from"], "skipped": skipped})


def _streams(container: olefile.OleFileIO) -> dict[tuple[tuple[str, ...], str], bytes]:
    """(storages around it, property tag and type) to bytes, of the message itself and its attachments."""
    found: dict[tuple[tuple[str, ...], str], bytes] = {}
    left = _MAX_STREAM
    for path in container.listdir():
        *folders, last = path
        if path == [_PROPERTIES[1]] or (last.startswith("__substg1.0_") and len(folders) <= 1):
            try:
                content = container.openstream(path).read()
            except (OSError, ValueError, IndexError, TypeError, AttributeError):
                # One damaged property does not hide the others.
                continue
            left -= len(content)
            if left < 0:
                raise ParseError("The message is too large when expanded.")
            key = last if path == [_PROPERTIES[1]] else last[12:].upper()
            found[tuple(folders), key] = content
    return found


def _text(streams: dict[tuple[tuple[str, ...], str], bytes], folder: tuple[str, ...], tag: str) -> str:
    """A string property: type 001F is UTF-16, 001E is of some 8-bit code page."""
    if wide := streams.get((folder, tag + "001F")):
        return wide.decode("utf-16-le", "replace").rstrip("\0")
    narrow = streams.get((folder, tag + "001E"), b"").rstrip(b"\0")
    return decode(narrow, declared=_code_page(streams)) if narrow else ""


def _code_page(streams: dict[tuple[tuple[str, ...], str], bytes]) -> str | None:
    """Code page of 8-bit strings, from the fixed-length properties of the message."""
    table = streams.get(_PROPERTIES, b"")[32:]
    for place in range(0, len(table) - 15, 16):
        kind, _, value = struct.unpack_from("<III", table, place)
        if kind == _CODE_PAGE:
            return f"cp{value}"
    return None


def _body(composer: Composer, streams: dict[tuple[tuple[str, ...], str], bytes]) -> None:
    plain = _text(streams, (), _BODY)
    markup = streams.get(((), _HTML + "0102"), b"")
    markup_text = decode(markup) if markup else _text(streams, (), _HTML)
    packed = streams.get(((), _RTF + "0102"), b"")
    if plain.strip():
        composer.paragraph(plain)
    elif markup_text.strip():
        html.walk(html.tree(markup_text), composer)
    elif packed:
        try:
            composer.embed(rtf.parse(decompress(packed), "body"), level=1)
        except ParseError:
            # Outlook stores an RTF frame without text for messages without a body.
            return


def _attachments(streams: dict[tuple[tuple[str, ...], str], bytes]) -> list[tuple[str, bytes]]:
    folders = sorted({folder for folder, _ in streams if folder and folder[0].startswith(_ATTACHMENT)})
    found = []
    for folder in folders:
        name = _text(streams, folder, _LONG_NAME) or _text(streams, folder, _NAME)
        data = streams.get((folder, _DATA + "0102"))
        if name and data and PurePosixPath(name).suffix:
            found.append((name, data))
    return found
