"""Encoders turn texts into vectors, and keep the state of every token on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def unit(rows: Floats) -> Floats:
    """The same vectors, along the last axis, at unit length; one of zeros stays as it is."""
    lengths = np.sqrt(np.square(rows).sum(axis=-1, keepdims=True))
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """Vectors of some texts, in the order given, and the states of their tokens."""

    vectors: Floats
    """float32 [n, dimension], unit length."""
    states: tuple[Floats, ...]
    """For each text float32 [tokens, dimension], unit length, without special tokens."""


class Encoder(Protocol):
    """Two texts may be compared only if the same encoder, by `fingerprint`, encoded both."""

    fingerprint: str
    dimension: int
    max_tokens: int
    """Longest text in tokens, special tokens not counted; what is longer is cut."""

    def encode_queries(self, texts: Sequence[str]) -> Encoding:
        """`vectors` with the model's query prefix; `states` of the plain tokens, without it.

        Raises `EncoderUnavailable` when no vector can be had now.
        """
        ...

    def encode_passages(self, texts: Sequence[str]) -> Encoding:
        """Vectors and token states from one pass over the texts."""
        ...

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of `text`, in order, uncut, without special tokens."""
        ...
