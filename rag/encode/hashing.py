"""An encoder that needs no model: every word has a random direction that follows from its letters.

For tests and for machines without models. A text's vector is the sum of its words, so equal words make
texts near; it knows nothing of meaning.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from rag.codes import SCHEME
from rag.encode.base import Encoding, Floats

NEEDS_MODEL = False
_TOKEN = re.compile(r"\w+|[^\w\s]")


def load(name: str, directory: Path | None = None, *, threads: int | None = None) -> "HashingEncoder":
    """The encoder; it has no files and one thread is enough. `hashing-64` has 64 dimensions."""
    _, _, dimension = name.rpartition("-")
    return HashingEncoder(int(dimension), name=name) if dimension.isdecimal() else HashingEncoder()


class HashingEncoder:
    """Tokens are words and marks, lower-cased."""

    def __init__(self, dimension: int = 128, max_tokens: int = 510, name: str = "hashing") -> None:
        self.dimension = dimension
        self.max_tokens = max_tokens
        self.fingerprint = f"{name}:{dimension}:{max_tokens}:{SCHEME}"

    def encode_queries(self, texts: Sequence[str]) -> Encoding:
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> Encoding:
        states = tuple(self._states(text) for text in texts)
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, state in enumerate(states):
            vectors[row] = _unit(state.sum(axis=0) if len(state) else _direction("", self.dimension))
        return Encoding(vectors, states)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [token.span() for token in _TOKEN.finditer(text)]

    def _states(self, text: str) -> Floats:
        words = [text[a:b].casefold() for a, b in self.offsets(text)[: self.max_tokens]]
        rows = [_direction(word, self.dimension) for word in words]
        return np.array(rows, np.float32).reshape(-1, self.dimension)


@lru_cache(maxsize=10_000)
def _direction(word: str, dimension: int) -> Floats:
    seed = int.from_bytes(hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[:4], "big")
    return _unit(np.random.RandomState(seed).standard_normal(dimension).astype(np.float32))


def _unit(row: Floats) -> Floats:
    return np.asarray(row / np.maximum(np.linalg.norm(row), 1e-12), np.float32)
