"""Files that only grow, mapped into memory for reading."""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def whole(path: Path) -> memoryview:
    """All bytes of a file."""
    with path.open("rb") as file:
        return _part(file.fileno(), 0, os.fstat(file.fileno()).st_size)


def _part(descriptor: int, start: int, stop: int) -> memoryview:
    if stop <= start:
        return memoryview(b"")
    page = start // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    mapped = mmap.mmap(descriptor, stop - page, access=mmap.ACCESS_READ, offset=page)
    return memoryview(mapped)[start - page :]


class Rows:
    """The whole rows of a file, as many as there were when it was opened, in two parts.

    The first part is that of the rows opened before, the second what was appended since: the system finds
    the pages of a new mapping one by one, and after each commit a search would wait for all that it reads.
    """

    def __init__(
        self, path: Path, kind: type[np.generic], columns: int, before: "Rows | None" = None
    ) -> None:
        self._head: NDArray[Any]
        self._tail: NDArray[Any]
        size = np.dtype(kind).itemsize * columns
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            self._file = (found.st_dev, found.st_ino)
            count, kept = found.st_size // size, 0
            if before is not None and before._file == self._file:
                kept = len(before._head)
            if before is not None and kept and kept <= count <= kept + kept // 4:
                self._head = before._head
            else:
                kept = count
                self._head = _array(_part(file.fileno(), 0, count * size), kind, columns)
            self._tail = _array(_part(file.fileno(), kept * size, count * size), kind, columns)

    def __len__(self) -> int:
        return len(self._head) + len(self._tail)

    @property
    def parts(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._head, self._tail

    def between(self, start: int, stop: int) -> NDArray[Any]:
        """Rows from `start`, without that at `stop`; copied only where they lie in both parts."""
        first = len(self._head)
        if stop <= first:
            return self._head[start:stop]
        if start >= first:
            return self._tail[start - first : stop - first]
        return np.concatenate([self._head[start:], self._tail[: stop - first]])

    def at(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """A copy of the rows at these places. Raises `IndexError` where there are none."""
        first = len(self._head)
        late = np.flatnonzero(places >= first)
        if not len(late):
            found: NDArray[Any] = self._head[places]
            return found
        rows = np.empty((len(places), self._tail.shape[1]), self._tail.dtype)
        early = np.flatnonzero(places < first)
        rows[early] = self._head[places[early]]
        rows[late] = self._tail[places[late] - first]
        return rows


def _array(data: memoryview, kind: type[np.generic], columns: int) -> NDArray[Any]:
    flat: NDArray[Any] = np.frombuffer(data, kind)
    return flat.reshape(-1, columns)
