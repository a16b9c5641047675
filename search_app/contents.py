"""The bytes that were uploaded, kept by their SHA-256: read again for every retry, and shown as the original.

`<CONTENT_DIR>/ab/abcdef…`. A name of a document never becomes a path. A file appears whole, by rename,
and before any row names it, so that a row never names a file that is not there.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from rag.errors import ParseError

PIECE = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True)
class Kept:
    sha256: str
    size: int


class TooLarge(ParseError):
    """More bytes than a document may have."""


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


def put(pieces: Iterable[bytes]) -> Kept:
    """Keep these bytes. Raises `TooLarge` after `MAX_FILE_BYTES`; nothing is kept then."""
    settings.CONTENT_DIR.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=settings.CONTENT_DIR, prefix=".draft-")
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                size += len(piece)
                if size > settings.MAX_FILE_BYTES:
                    raise TooLarge(f"The file is larger than {settings.MAX_FILE_BYTES // 2**20} MB.")
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        place = path(digest.hexdigest())
        place.parent.mkdir(exist_ok=True)
        with _guard(fcntl.LOCK_SH):
            os.replace(draft, place)  # also where it is kept already: its time of change says it is wanted
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)
    return Kept(digest.hexdigest(), size)


def path(sha256: str) -> Path:
    """Where the bytes with this hash lie, or would."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise ValueError("not a SHA-256 in hexadecimal digits")
    return settings.CONTENT_DIR / sha256[:2] / sha256


def read(sha256: str) -> bytes:
    """The bytes. Raises `ParseError` when they are not here (any more), `OSError` when the disk is ill."""
    try:
        return path(sha256).read_bytes()
    except (FileNotFoundError, ValueError) as error:
        raise ParseError("The uploaded file is not in the store any more. Upload it again.") from error


def missing(wanted: Iterable[str]) -> list[str]:
    """Which of these are not here."""
    return [sha256 for sha256 in wanted if not path(sha256).is_file()]


def collect(wanted: set[str], *, older_than_s: float = 3600.0) -> int:
    """Delete what no row names any more, and drafts of uploads that died; returns how many files.

    Young files stay: their row may be about to be written.
    """
    deleted = 0
    limit = time.time() - older_than_s
    drafts = [*settings.CONTENT_DIR.glob(".draft-*"), *settings.FILE_UPLOAD_TEMP_DIR.glob("*.upload*")]
    for file in [*settings.CONTENT_DIR.glob("??/*"), *drafts]:
        with suppress(FileNotFoundError), _guard(fcntl.LOCK_EX):
            if file.name not in wanted and file.stat().st_mtime < limit:
                file.unlink()
                deleted += 1
    return deleted


@contextmanager
def _guard(mode: int) -> Iterator[None]:
    """Keeps `collect` from deleting an old file in the moment in which it is put again."""
    descriptor = os.open(settings.CONTENT_DIR / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)
