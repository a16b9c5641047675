"""Token states as one bit a dimension: RaBitQ codes (Gao and Long 2024) and MaxSim over them.

A unit-length state is turned by one fixed random rotation and kept as the signs of its coordinates,
with one factor that makes the estimate of a dot product unbiased. The query stays in floats. Nothing
is fitted to a corpus, so codes of any two corpora may be mixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rag.encode.base import Floats
from rag.parallel import in_parallel
from rag.products import product

SCHEME = "rabitq-1bit-seed1"

_BLOCK = 2048
"""Tokens unpacked at a time: they take 800 kB and stay in the processor's cache."""


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


def maxsim(query: Floats, passages: Sequence[TokenCodes], threads: int = 1) -> Floats:
    """MaxSim of a query's token states, float32 [n, dimension], with each passage, in the order given.

    For every query token the highest estimated cosine among the passage's tokens; then the mean over
    the query's tokens (Khattab and Zaharia 2020 sum them). A passage without tokens gets -1.
    The query is rounded to 8 bits a coordinate: what that moves is a tenth of what the codes themselves err.
    """
    scores = np.full(len(passages), -1.0, dtype=np.float32)
    filled = [place for place, codes in enumerate(passages) if len(codes.factors)]
    if not len(query) or not filled:
        return scores
    turned = query @ rotation(query.shape[1])
    unit = np.maximum(np.abs(turned).max(axis=1), 1e-12) / 127
    rounded = np.ascontiguousarray(np.rint(turned / unit[:, None]).T.astype(np.int8))
    # <q, signs> = <2 q, bits> - sum(q), with bits as 0 and 1
    doubled = (2 * unit).astype(np.float32)
    less = (rounded.sum(axis=0, dtype=np.int32) * unit).astype(np.float32)
    blocks = _blocks([len(passages[place].factors) for place in filled])

    def run(number: int) -> None:
        places = filled[blocks[number][0] : blocks[number][1]]
        codes = [passages[place] for place in places]
        bits = np.concatenate([code.bits for code in codes])
        similarity = product(np.unpackbits(bits, axis=1), rounded).astype(np.float32)
        similarity *= doubled
        similarity -= less
        similarity *= np.concatenate([code.factors for code in codes]).astype(np.float32)[:, None]
        ends = np.cumsum([len(code.factors) for code in codes])
        starts = np.concatenate(([0], ends[:-1]))
        scores[places] = np.maximum.reduceat(similarity, starts, axis=0).mean(axis=1)

    in_parallel(run, len(blocks), threads)
    return scores


def _blocks(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of passages of about `_BLOCK` tokens: first and past-the-last."""
    cuts, tokens = [0], 0
    for place, length in enumerate(lengths):
        if tokens and tokens + length > _BLOCK:
            cuts.append(place)
            tokens = 0
        tokens += length
    return list(pairwise([*cuts, len(lengths)]))
