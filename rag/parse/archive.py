"""Zip archives of documents: every member is a document of its own.

Names of members are labels, never paths; nothing is written anywhere.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from rag.errors import ParseError
from rag.parse.clean import one_line
from rag.parse.package import BAD_ZIP, read_member

SUFFIXES = (".zip",)
_JUNK = frozenset(("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """Bounds on one uploaded archive, archives inside it counted in."""

    members: int = 5_000
    total_bytes: int = 1024 * 2**20
    member_bytes: int = 256 * 2**20
    depth: int = 3


@dataclass(slots=True)
class _Left:
    members: int
    total_bytes: int


def members(data: bytes, limits: ArchiveLimits | None = None) -> Iterator[tuple[str, bytes | ParseError]]:
    """(name, bytes) of each file in the archive, in its order; inner archives give `outer.zip/inner`.

    A member that cannot be read comes with its `ParseError` in place of its bytes. Raises `ParseError`
    when the archive cannot be opened or passes a limit; what was given before stays good.
    """
    limits = limits or ArchiveLimits()
    yield from _members(data, "", limits, _Left(limits.members, limits.total_bytes), 1)


def is_archive(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _members(
    data: bytes, prefix: str, limits: ArchiveLimits, left: _Left, depth: int
) -> Iterator[tuple[str, bytes | ParseError]]:
    if depth > limits.depth:
        raise ParseError(f"The archive holds archives more than {limits.depth} deep.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except BAD_ZIP as error:
        raise ParseError("The archive is damaged and cannot be opened.") from error
    for info in archive.filelist:
        name = label(info.filename)
        if not name or info.is_dir() or _JUNK & set(name.split("/")):
            continue
        left.members -= 1
        if left.members < 0:
            raise ParseError(f"The archive holds more than {limits.members:,} files.")
        try:
            content = read_member(archive, info, limit=min(limits.member_bytes, left.total_bytes))
        except ParseError as error:
            yield prefix + name, error
            continue
        left.total_bytes -= len(content)
        if not is_archive(name):
            yield prefix + name, content
            continue
        try:
            yield from _members(content, f"{prefix}{name}/", limits, left, depth + 1)
        except ParseError as error:
            yield prefix + name, error


def label(name: str) -> str:
    """A member's name as a plain relative label: no drive, no root, no `..`, no control characters."""
    parts = one_line(name.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..") and not part.endswith(":"))
