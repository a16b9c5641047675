"""Frames between the parent and a parsing child: a length, then bytes. Nothing is ever unpickled."""

import struct
from typing import BinaryIO

import msgspec

from rag.parse.base import ParsedDocument

_REQUEST = struct.Struct("<IQ")
HEADER = struct.Struct("<Q")
"""Before every answer: its length in bytes."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Why a file could not be read; `spent` says that the child is not to be used again."""

    reason: str
    spent: bool = False


class Parsed(msgspec.Struct, frozen=True, tag="parsed"):
    document: ParsedDocument


Answer = Parsed | Failed
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Answer)


def request(data: bytes, name: str) -> bytes:
    """The header and the name; `data` follows on the pipe as it is."""
    encoded = name.encode("utf-8", "replace")
    return _REQUEST.pack(len(encoded), len(data)) + encoded


def read_request(stream: BinaryIO) -> tuple[bytes, str] | None:
    """(data, name); None at the end of the stream."""
    header = stream.read(_REQUEST.size)
    if len(header) < _REQUEST.size:
        return None
    name_bytes, data_bytes = _REQUEST.unpack(header)
    name, data = stream.read(name_bytes), stream.read(data_bytes)
    if len(data) < data_bytes:
        return None
    return data, name.decode("utf-8", "replace")


def encode(answer: Answer) -> bytes:
    body = _encoder.encode(answer)
    return HEADER.pack(len(body)) + body


def decode(body: memoryview) -> Answer:
    """Raises `msgspec.DecodeError` when a broken child sent something else."""
    answer: Answer = _decoder.decode(body)
    return answer
