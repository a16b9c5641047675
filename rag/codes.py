"""Token states as one bit a dimension: RaBitQ codes (Gao and Long 2024) and MaxSim over them.

A unit-length state is turned by one fixed random rotation and kept as the signs of its coordinates,
with one factor that makes the estimate of a dot product unbiased. The query stays in floats. Nothing
is fitted to a corpus, so codes of any two corpora may be mixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rag.encode.base import Floats

SCHEME = "rabitq-1bit-seed1"

_BLOCK = 1024
"""Tokens unpacked at a time: as floats they take 1.5 MB and stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenCodes:
    """Codes of the tokens of one passage, in order."""

    bits: NDArray[np.uint8]
    """uint8 [tokens, dimension / 8]: the signs, packed."""
    factors: NDArray[np.float16]
    """float16 [tokens]: 1 / <state, sign vector>, about 1 / 15.6 for 384 dimensions."""

    def to_bytes(self) -> bytes:
        return self.bits.tobytes() + self.factors.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, dimension: int) -> "TokenCodes":
        """Read what `to_bytes` wrote; the number of tokens follows from the length. Copies nothing."""
        width = dimension // 8
        tokens, rest = divmod(len(data), width + 2)
        if rest:
            raise ValueError(f"{len(data)} bytes are no token codes of {dimension} dimensions")
        bits = np.frombuffer(data, np.uint8, tokens * width).reshape(tokens, width)
        return cls(bits, np.frombuffer(data, np.float16, tokens, tokens * width))


@lru_cache(maxsize=4)
def rotation(dimension: int) -> Floats:
    """The fixed random orthogonal matrix, float32 [dimension, dimension]. Part of `SCHEME`."""
    gaussian = np.random.RandomState(1).standard_normal((dimension, dimension))
    q, r = np.linalg.qr(gaussian)
    return np.ascontiguousarray(q * np.sign(np.diag(r)), dtype=np.float32)


def quantise(states: Floats) -> TokenCodes:
    """Codes of unit-length states, float32 [tokens, dimension]."""
    turned = states @ rotation(states.shape[1])
    factors = 1.0 / np.maximum(np.abs(turned).sum(axis=1), 1e-6)
    return TokenCodes(np.packbits(turned > 0, axis=1), factors.astype(np.float16))


def maxsim(query: Floats, passages: Sequence[TokenCodes]) -> Floats:
    """MaxSim of a query's token states, float32 [n, dimension], with each passage, in the order given.

    For every query token the highest estimated cosine among the passage's tokens; then the mean over
    the query's tokens (Khattab and Zaharia 2020 sum them). A passage without tokens gets -1.
    """
    lengths = np.array([len(codes.factors) for codes in passages])
    scores = np.full(len(passages), -1.0, dtype=np.float32)
    if not len(query) or not lengths.any():
        return scores
    bits = np.concatenate([codes.bits for codes in passages])
    factors = np.concatenate([codes.factors for codes in passages]).astype(np.float32)
    turned = query @ rotation(query.shape[1])
    # <q, signs> = <2 q, bits> - sum(q), with bits as 0 and 1
    doubled = np.ascontiguousarray(2.0 * turned.T)
    similarity = np.empty((len(bits), len(query)), np.float32)
    ones = np.empty((min(_BLOCK, len(bits)), query.shape[1]), np.float32)
    for start in range(0, len(bits), _BLOCK):
        block = np.unpackbits(bits[start : start + _BLOCK], axis=1)
        ones[: len(block)] = block
        np.matmul(ones[: len(block)], doubled, out=similarity[start : start + _BLOCK])
    similarity -= turned.sum(axis=1)
    similarity *= factors[:, None]
    filled = np.flatnonzero(lengths)
    starts = np.concatenate(([0], np.cumsum(lengths[filled])[:-1]))
    scores[filled] = np.maximum.reduceat(similarity, starts, axis=0).mean(axis=1)
    return scores
