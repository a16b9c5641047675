"""Files on disk as named sources: folders are walked, ZIP archives opened, names kept stable.

A source's name is the last part of the path that was given, then the path below it: `handbook/rest.md`,
`letters.zip/may/first.eml`. The same command run again gives the same names, from whatever directory.
A name is a text to show and to tell documents apart, and never becomes a path again.
"""

import os
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rag.errors import ParseError, SieveError

MAX_FILE_BYTES = 256 * 2**20
"""A larger file is refused unread."""
MAX_ARCHIVE_MEMBERS = 20_000
MAX_ARCHIVE_BYTES = 2 * 2**30
"""What the members of one archive may come to when expanded."""
MAX_NAME = 1000
_DIRECTORY_BYTES = 32 * 2**20
_ENCRYPTED = 0x1


class SourceError(SieveError):
    """A path that was given cannot be read, or two files would bear one name."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or one member of an archive. `reason` says why it cannot even be read."""

    name: str
    path: Path
    member: int | None = None
    """Place in the archive's directory; names in there need not be unique or readable."""
    reason: str = ""

    @property
    def format(self) -> str:
        """Suffix of the name in lower case, without the dot, at most 16 characters."""
        return PurePosixPath(self.name).suffix[1:17].lower()

    def read(self) -> bytes:
        """The bytes. Raises `ParseError` with a plain reason when they cannot be had."""
        if self.reason:
            raise ParseError(self.reason)
        try:
            if self.member is not None:
                with zipfile.ZipFile(self.path) as archive:
                    return _read_member(archive, archive.infolist()[self.member])
            with self.path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise ParseError(f"The file cannot be read: {error.strerror or error}.") from error
        if len(data) > MAX_FILE_BYTES:
            raise ParseError(f"The file is larger than {MAX_FILE_BYTES // 2**20} MB.")
        return data


def find(paths: Iterable[Path]) -> list[Source]:
    """Every file below these paths, archives opened, in order of name.

    Names that begin with a dot are passed over, and links to folders are not followed. Raises
    `SourceError` when a path is not there or two files would bear the same name.
    """
    found: dict[str, Source] = {}
    for path in paths:
        if not path.exists():
            raise SourceError(f"There is no file or folder {path}.")
        for source in _below(path):
            if source.name in found:
                raise SourceError(
                    f"{found[source.name].path} and {source.path} would both be the document "
                    f"{source.name!r}. Ingest them in two collections, or rename one."
                )
            found[source.name] = source
    return [found[name] for name in sorted(found)]


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
    if path.suffix.lower() != ".zip":
        yield Source(name, path)
        return
    try:
        yield from _members(path, name)
    except ParseError as error:
        yield Source(name, path, reason=str(error))


def _members(path: Path, name: str) -> list[Source]:
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise ParseError("The archive is damaged: it cannot be opened.") from error
    if len(infos) > MAX_ARCHIVE_MEMBERS:
        raise ParseError(f"The archive holds more than {MAX_ARCHIVE_MEMBERS:,} files.")
    if sum(info.file_size for info in infos) > MAX_ARCHIVE_BYTES:
        raise ParseError(f"The archive is larger than {MAX_ARCHIVE_BYTES // 2**30} GB when expanded.")
    members: dict[str, Source] = {}
    for place, info in enumerate(infos):
        parts = [part for part in info.filename.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if info.is_dir() or not parts or any(p.startswith(".") or p == "__MACOSX" for p in parts):
            continue
        inner = clean_name("/".join([name, *parts]))
        reason = "An archive inside an archive is not opened." if inner.lower().endswith(".zip") else ""
        members[inner] = Source(inner, path, place, reason)  # the last of a name counts, as when unzipping
    if not members:
        raise ParseError("The archive holds no files.")
    return list(members.values())


def _check_directory(path: Path) -> None:
    """Refuse a directory so long that reading it would fill the memory, before `zipfile` reads it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise zipfile.BadZipFile("no directory")
    if tail.find(b"PK\x06\x07", max(0, at - 20), at) >= 0:
        raise ParseError("The archive is in the ZIP64 format, which is for more than 4 GB. Split it.")
    if int.from_bytes(tail[at + 12 : at + 16], "little") > _DIRECTORY_BYTES:
        raise ParseError(f"The archive holds more than {MAX_ARCHIVE_MEMBERS:,} files.")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & _ENCRYPTED:
        raise ParseError("The file is protected by a password. Save a copy without the password.")
    try:
        with archive.open(info) as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except Exception as error:  # zlib, bz2 and lzma each have their own errors, all meaning the same
        raise ParseError("The file is damaged: it cannot be taken out of its archive.") from error
    if len(data) > MAX_FILE_BYTES:
        raise ParseError(f"The file is larger than {MAX_FILE_BYTES // 2**20} MB when expanded.")
    return data


def clean_name(name: str) -> str:
    """A name that can be stored and shown: NFC, no control characters, at most 1,000 characters."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text
    )
    return text if len(text) <= MAX_NAME else "…" + text[1 - MAX_NAME :]
