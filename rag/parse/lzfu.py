"""Decompression of RTF inside Outlook messages ([MS-OXRTFCP], 2.1.3)."""

import struct

from rag.errors import ParseError

_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_WINDOW = 4096
_MAX_BYTES = 32 * 2**20
_PRELOADED = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def decompress(data: bytes) -> bytes:
    """The RTF. Raises `ParseError` when the header is wrong; a cut stream gives what came before."""
    if len(data) < 16:
        raise ParseError("The message is damaged: its body is cut off.")
    _, size, kind, _ = struct.unpack_from("<IIII", data)
    if kind == _PLAIN:
        return data[16 : 16 + size]
    if kind != _COMPRESSED or size > _MAX_BYTES:
        raise ParseError("The message is damaged: its body cannot be expanded.")
    window = bytearray(_PRELOADED.ljust(_WINDOW, b"\0"))
    write, read = len(_PRELOADED), 16
    out = bytearray()
    while read < len(data) and len(out) < size:
        flags, read = data[read], read + 1
        for bit in range(8):
            if flags >> bit & 1:
                if read + 1 >= len(data):
                    return bytes(out)
                token = data[read] << 8 | data[read + 1]
                read += 2
                place, length = token >> 4, (token & 15) + 2
                if place == write:
                    return bytes(out)
                piece = [window[(place + i) % _WINDOW] for i in range(length)] if length else []
            else:
                if read >= len(data):
                    return bytes(out)
                piece, read = [data[read]], read + 1
            for byte in piece:
                window[write] = byte
                write = (write + 1) % _WINDOW
                out.append(byte)
    return bytes(out)
