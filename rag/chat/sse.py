"""Bytes of a server → the data of its events, however they were cut (WHATWG HTML, 9.2.6)."""

import re
from collections.abc import Iterator

MAX_EVENT = 1_000_000
_LINE_END = re.compile(rb"\r\n|\r|\n")
_MARK = b"\xef\xbb\xbf"


class Events:
    """What was fed in so far: at most one event that is not whole."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._after_cr = False
        """The last byte was a CR: an LF that follows belongs to it."""
        self._first = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of each event that this piece ends. Raises `ValueError` for one that is too long."""
        if not piece:
            return
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._after_cr = piece.endswith(b"\r")
        *lines, rest = _LINE_END.split(piece)
        for line in lines:
            whole = bytes(self._line) + line
            self._line.clear()
            if (data := self._take(whole)) is not None:
                yield data
        self._line += rest
        if len(self._line) + sum(map(len, self._data)) > MAX_EVENT:
            raise ValueError("an event is too long")

    def _take(self, line: bytes) -> bytes | None:
        if self._first:
            self._first, line = False, line.removeprefix(_MARK)
        if not line:
            data, self._data = b"\n".join(self._data), []
            return data or None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        return None
