"""One bit a dimension of every vector: a first pass that is a tenth of the work of reading the vectors.

A vector is turned by the fixed rotation of `rag.codes` and kept as the signs of its coordinates. The
share of signs in which two vectors differ grows with the angle between them (Charikar 2002), so the
passages that differ least from the question hold its nearest; those are then compared exactly. Nothing is
fitted to the corpus, and everything can be made again from the vectors.

The file signs.bin is a row a slot, as many 64-bit words as the dimension needs, spare bits 0.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.codes import rotation
from rag.encode.base import Floats
from rag.index.embedded.mapped import Rows

Words = NDArray[np.uint64]
Slots = NDArray[np.int64]

NAME = "signs.bin"
DAMAGED = 16
"""So many signs may differ from those made again: a coordinate near 0 falls on either side."""

_BLOCK = 8192
_NEVER = np.iinfo(np.uint16).max


def width(dimension: int) -> int:
    """Bytes of a row."""
    return -(-dimension // 64) * 8


def make(vectors: Floats) -> NDArray[np.uint8]:
    """uint8 [n, width] of float32 [n, dimension]."""
    packed = np.packbits(vectors @ rotation(vectors.shape[1]) > 0, axis=1)
    spare = width(vectors.shape[1]) - packed.shape[1]
    return np.pad(packed, ((0, 0), (0, spare))) if spare else packed


def remake(vectors: Rows, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
    """The signs of these slots, in blocks, from their stored half floats."""
    for first in range(start, stop, _BLOCK):
        halves = vectors.between(first, min(first + _BLOCK, stop)).view(np.float16)
        yield make(np.nan_to_num(halves.astype(np.float32)))


def complete(directory: Path, vectors: Rows, dimension: int) -> None:
    """See to it that there are signs for all these slots; a file that lacks some is replaced whole.

    Indexes from before there were signs get theirs here. Readers keep the file that they have open.
    """
    path, row = directory / NAME, width(dimension)
    old = path.stat().st_size // row if path.exists() else 0
    if old >= len(vectors):
        return
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(path.read_bytes()[: old * row] if old else b"")
        for block in remake(vectors, old, len(vectors)):
            file.write(block.tobytes())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def distances(signs: Words, query: Words) -> NDArray[np.uint16]:
    """In how many signs each row differs from the query's."""
    count, words = signs.shape
    flat = signs.reshape(-1)
    length = max(1, min(_BLOCK, count))
    # whole-array operations over rows laid end to end are twice as fast as over six columns
    repeated = np.tile(query, length)
    differ = np.empty(length * words, np.uint64)
    ones = np.empty((length, words), np.uint8)
    result = np.empty(count, np.uint16)
    for start in range(0, count, length):
        stop = min(start + length, count)
        rows = stop - start
        part = slice(0, rows * words)
        np.bitwise_xor(flat[start * words : stop * words], repeated[part], out=differ[part])
        np.bitwise_count(differ[part], out=ones.reshape(-1)[part])
        total = result[start:stop]
        np.copyto(total, ones[:rows, 0])
        for word in range(1, words):
            np.add(total, ones[:rows, word], out=total)
    return result


def nearest(signs: Rows, vector: Floats, mask: NDArray[np.bool_], wanted: int) -> Slots:
    """Slots of the mask, ascending, that differ least from this vector: `wanted`, and all that tie."""
    query = make(vector[None]).view(np.uint64)[0]
    found = np.concatenate([distances(part, query) for part in signs.parts])[: len(mask)]
    allowed = mask[: len(found)]
    if not allowed.all():
        np.copyto(found, _NEVER, where=~allowed)
    reached = np.cumsum(np.bincount(found, minlength=_NEVER + 1)[:_NEVER])
    last = min(int(np.searchsorted(reached, wanted)), _NEVER - 1)
    return np.flatnonzero(found <= last)
