"""Vectors, their signs and token codes on disk: files that only grow, mapped into memory by readers.

Half floats cost 768 bytes a passage at 384 dimensions and move a cosine by about 1e-4. No graph: at the
sizes one machine serves, reading is faster to build, to filter and to trust, all of the vectors where
they are few, and first their signs where they are many (`rag.index.embedded.signs`).
"""

import errno
import os
import zlib
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.codes import TokenCodes
from rag.encode.base import Floats
from rag.index.embedded import signs
from rag.index.embedded.mapped import Rows, whole

Slots = NDArray[np.int64]

_BLOCK = 1024
"""Rows widened at a time: 1.5 MB of floats at 384 dimensions, so that they are still in cache when used."""


class Appender:
    """Writes vectors, signs and codes at the end of their files. Nothing counts before `sync`."""

    def __init__(self, directory: Path, dimension: int) -> None:
        # unbuffered: after a full disk the length of a file says all there is to know
        self._vectors = (directory / "vectors.f16").open("ab", buffering=0)
        signs.complete(directory, Rows(directory / "vectors.f16", np.int16, dimension), dimension)
        self._signs = (directory / signs.NAME).open("ab", buffering=0)
        self._codes = (directory / "codes.bin").open("ab", buffering=0)
        self._rows = ((self._vectors, 2 * dimension), (self._signs, signs.width(dimension)))
        self.next_slot = 0
        self.align()

    def align(self) -> None:
        """Go on behind all that was ever written, torn or not."""
        sizes = [os.fstat(file.fileno()).st_size for file, _ in self._rows]
        self.next_slot = max(-(-size // row) for size, (_, row) in zip(sizes, self._rows, strict=True))
        for size, (file, row) in zip(sizes, self._rows, strict=True):
            _write(file, b"\0" * (self.next_slot * row - size))

    def append(
        self, vector: Floats, turned: NDArray[np.uint8], codes: TokenCodes, text: str
    ) -> tuple[int, int, int, int]:
        """Slot, offset and length of the codes, and the checksum of vector, codes and text.

        `turned` is the vector's row of `signs.make`.
        """
        data, packed = vector.astype("<f2").tobytes(), codes.to_bytes()
        slot, offset = self.next_slot, os.fstat(self._codes.fileno()).st_size
        _write(self._vectors, data)
        _write(self._signs, turned.tobytes())
        _write(self._codes, packed)
        self.next_slot += 1
        return slot, offset, len(packed), checksum(data, packed, text)

    def sync(self) -> None:
        for file in (self._vectors, self._signs, self._codes):
            os.fsync(file.fileno())

    def close(self) -> None:
        for file in (self._vectors, self._signs, self._codes):
            file.close()


def _write(file: FileIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, "The disk is full")


def checksum(vector: bytes, codes: bytes, text: str) -> int:
    return zlib.crc32(text.encode("utf-8"), zlib.crc32(codes, zlib.crc32(vector)))


class Arrays:
    """A view of the files as long as they were when it was made; `before` is an earlier one of the same."""

    def __init__(self, directory: Path, dimension: int, before: "Arrays | None" = None) -> None:
        self.dimension = dimension
        before_vectors = None if before is None else before.vectors
        self.vectors: Rows = Rows(directory / "vectors.f16", np.int16, dimension, before_vectors)
        """The bits of half floats."""
        self._codes = whole(directory / "codes.bin")
        self.signs: Rows | None = None
        """None in an index from before there were signs, until its next writer."""
        if (path := directory / signs.NAME).exists():
            before_signs = None if before is None else before.signs
            self.signs = Rows(path, np.uint64, signs.width(dimension) // 8, before_signs)

    def __len__(self) -> int:
        return len(self.vectors)

    def codes(self, offset: int, length: int) -> TokenCodes:
        """Raises `ValueError` where the file ends before them."""
        return TokenCodes.from_bytes(self.raw_codes(offset, length), self.dimension)

    def raw_codes(self, offset: int, length: int) -> memoryview:
        if offset + length > len(self._codes):
            raise ValueError("the token codes end too early")
        return self._codes[offset : offset + length]

    def cosines(self, query: Floats, slots: Slots | None = None) -> Floats:
        """Dot products with these slots, or with all, in order; float32.

        Half floats are widened by moving their bits into a float's places, which leaves every number
        2**-112 times too small (denormals included), and the query is made as much larger. The result is
        exact and comes four times as fast as with numpy's own conversion.
        """
        count = len(self) if slots is None else len(slots)
        scaled = query.astype(np.float32) * np.float32(2.0**112)
        wide = np.empty((min(_BLOCK, count), self.dimension), np.int32)
        scores = np.empty(count, np.float32)
        for start in range(0, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            block = wide[: stop - start]
            some = self.vectors.between(start, stop) if slots is None else self.vectors.at(slots[start:stop])
            np.copyto(block, some)
            np.left_shift(block, 13, out=block)
            np.bitwise_and(block, ~0x70000000, out=block)  # the sign was extended over three bits
            np.dot(block.view(np.float32), scaled, out=scores[start:stop])
        return scores
