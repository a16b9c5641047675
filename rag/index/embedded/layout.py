"""Where an embedded index lies: versions side by side, and a pointer to the one in use.

<root>/current              name of the version in use, replaced by rename
<root>/writer.lock          held by the one writer
<root>/passages-0001/       one version: meta.json, rows.db, vectors.f16, signs.bin,
                            codes.bin, text-en/, ...
"""

import fcntl
import json
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rag.codes import SCHEME
from rag.errors import IndexBusy, IndexCorrupt

FORMAT = 1
_NAME = re.compile(r"passages-(\d{4,})\Z")


@dataclass(frozen=True, slots=True)
class Meta:
    """What an index was built with. Vectors and codes of another encoder or scheme cannot be compared."""

    encoder: str
    """Fingerprint of the encoder."""
    dimension: int
    scheme: str = SCHEME
    format: int = FORMAT


def current(root: Path) -> str | None:
    """Name of the version in use; None where there is no index."""
    try:
        name = (root / "current").read_text("ascii").strip()
    except FileNotFoundError:
        return None
    if not _NAME.match(name):
        raise IndexCorrupt("The index's pointer to its version is damaged. Run: manage.py reindex")
    return name


def in_use(root: Path, wanted: Meta) -> Path:
    """The version in use. Raises `IndexCorrupt` unless it was built with just what is wanted now."""
    name = current(root)
    if name is None:
        raise IndexCorrupt("There is no index here. Run: manage.py reindex")
    directory = root / name
    try:
        found = json.loads((directory / "meta.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise IndexCorrupt("The index cannot be read. Run: manage.py reindex") from error
    for key, value in asdict(wanted).items():
        if found.get(key) != value:
            raise IndexCorrupt(
                f"The index was built with {key} {found.get(key)!r}, but {value!r} is in use. "
                "Run: manage.py reindex"
            )
    return directory


def new_version(root: Path, meta: Meta) -> Path:
    """An empty directory for the next version, not yet in use; clears what a killed rebuild left.

    Only for the holder of the lock.
    """
    root.mkdir(parents=True, exist_ok=True)
    used = current(root)
    numbers = [0]
    for path in list(root.iterdir()):
        if match := _NAME.match(path.name):
            numbers.append(int(match[1]))
            if path.name != used:
                shutil.rmtree(path)
    directory = root / f"passages-{max(numbers) + 1:04d}"
    directory.mkdir()
    _write(directory / "meta.json", json.dumps(asdict(meta), indent=1))
    return directory


def promote(directory: Path) -> None:
    """Make this version the one in use, then delete the one before it.

    Readers that have the old one open keep its files until their next search.
    """
    root = directory.parent
    old = current(root)
    sync(directory)
    _write(root / "current", directory.name)
    if old and old != directory.name:
        shutil.rmtree(root / old, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync(path.parent)


def sync(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Lock:
    """The writer's lock; the system lets it go when its process dies."""

    def __init__(self, root: Path, *, wait_s: float = 0.0) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(root / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        give_up = time.monotonic() + wait_s
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() >= give_up:
                os.close(self._descriptor)
                raise IndexBusy("Another process is writing to the index. Try again when it has ended.")
            time.sleep(0.05)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
