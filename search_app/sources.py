"""Files on disk as named sources: folders are walked, names kept stable.

A source's name is the last part of the path that was given, then the path below it: `handbook/rest.md`.
The same command run again gives the same names, from whatever directory. A name is a text to show and to
tell documents apart, and never becomes a path again.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ParseError, SieveError
from rag.parse import archive

MAX_NAME = 1000


class SourceError(SieveError):
    """A path that was given cannot be read, or two files would bear one name."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file; an archive is one, too."""

    name: str
    path: Path


def find(paths: Iterable[Path]) -> list[Source]:
    """Every file below these paths, in order of path.

    Names that begin with a dot are passed over, and links to folders are not followed. Raises
    `SourceError` when a path is not there or two files would bear the same name.
    """
    found: dict[str, Source] = {}
    for path in paths:
        if not path.exists():
            raise SourceError(f"There is no file or folder {path}.")
        for source in _below(path):
            first = found.setdefault(source.name, source)
            if first.path != source.path:
                raise SourceError(
                    f"{first.path} and {source.path} would both be the document {source.name!r}. "
                    "Ingest them into two collections, or rename one."
                )
    return list(found.values())


def _below(path: Path) -> Iterator[Source]:
    base = path.resolve()
    if base.is_file():
        yield Source(clean_name(base.name), base)
        return
    for folder, folders, files in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield Source(clean_name(f"{base.name}/{file.relative_to(base).as_posix()}"), file)


def documents(source: Source) -> Iterator[str]:
    """Names of the documents that a source would become: its own, or those of an archive's members."""
    if not archive.is_archive(source.name):
        yield source.name
        return
    try:
        for member, _ in archive.members(source.path.read_bytes()):
            yield clean_name(f"{source.name}/{member}")
    except (OSError, ParseError):
        yield source.name


def clean_name(name: str) -> str:
    """A name that can be stored and shown: NFC, no control characters, at most 1,000 characters."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    return text if len(text) <= MAX_NAME else "…" + text[1 - MAX_NAME :]
