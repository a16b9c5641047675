"""Files on disk as named sources: folders are walked, ZIP archives opened, names kept stable.

A source's name is the last part of the path that was given, then the path below it: `handbook/rest.md`,
`letters.zip/may/first.eml`. The same command run again gives the same names, from whatever directory.
A name is a text to show and to tell documents apart, and never becomes a path again.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rag.errors import ParseError, SieveError
from rag.parse import archive

MAX_FILE_BYTES = 256 * 2**20
"""A larger file is refused unread."""
MAX_NAME = 1000


class SourceError(SieveError):
    """A path that was given cannot be read, or two files would bear one name."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or one member of an archive. `reason` says why it cannot even be read."""

    name: str
    path: Path
    place: int | None = None
    """Of a member: its place in the archive's own order."""
    reason: str = ""

    @property
    def format(self) -> str:
        """Suffix of the name in lower case, without the dot, at most 16 characters."""
        return PurePosixPath(self.name).suffix[1:17].lower()


def find(paths: Iterable[Path]) -> list[Source]:
    """Every file below these paths, archives opened, in order of path.

    Names that begin with a dot are passed over, and links to folders are not followed. Raises
    `SourceError` when a path is not there or two files would bear the same name.
    """
    found: dict[str, Source] = {}
    for path in paths:
        if not path.exists():
            raise SourceError(f"There is no file or folder {path}.")
        for source in _below(path):
            first = found.get(source.name)
            if first is not None and first.path != source.path:
                raise SourceError(
                    f"{first.path} and {source.path} would both be the document {source.name!r}. "
                    "Ingest them into two collections, or rename one."
                )
            found[source.name] = source  # the last of a name in an archive counts, as when unzipping
    return list(found.values())


def _below(path: Path) -> Iterator[Source]:
    base = path.resolve()
    if base.is_file():
        yield from _open(base, base.name)
        return
    for folder, folders, files in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield from _open(file, f"{base.name}/{file.relative_to(base).as_posix()}")


def _open(path: Path, name: str) -> Iterator[Source]:
    name = clean_name(name)
    if not archive.is_archive(path.name):
        yield Source(name, path)
        return
    empty = True
    try:
        for place, (member, content) in enumerate(archive.members(_bytes(path))):
            empty = False
            reason = str(content) if isinstance(content, ParseError) else ""
            yield Source(clean_name(f"{name}/{member}"), path, place, reason)
    except ParseError as error:
        yield Source(name, path, reason=str(error))
    else:
        if empty:
            yield Source(name, path, reason="The archive holds no files.")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ParseError(f"The file cannot be read: {error.strerror or error}.") from error
    if len(data) > MAX_FILE_BYTES:
        raise ParseError(f"The file is larger than {MAX_FILE_BYTES // 2**20} MB.")
    return data


class Reader:
    """Reads sources. Members of one archive are read in one pass when asked for in their order."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._members: Iterator[tuple[str, bytes | ParseError]] = iter(())
        self._next = 0

    def read(self, source: Source) -> bytes:
        """The bytes. Raises `ParseError` with a plain reason when they cannot be had."""
        if source.reason:
            raise ParseError(source.reason)
        if source.place is None:
            return _bytes(source.path)
        if source.path != self._path or source.place < self._next:
            self._path, self._next = source.path, 0
            self._members = archive.members(_bytes(source.path))
        for _, content in self._members:
            self._next += 1
            if self._next > source.place:
                if isinstance(content, ParseError):
                    raise content
                return content
        raise ParseError("The archive changed while it was read.")


def clean_name(name: str) -> str:
    """A name that can be stored and shown: NFC, no control characters, at most 1,000 characters."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    return text if len(text) <= MAX_NAME else "…" + text[1 - MAX_NAME :]
