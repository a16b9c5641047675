"""The path of passages from text to what an index writes: encode, quantise."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from rag.codes import TokenCodes, quantise
from rag.encode.base import Encoder, Floats
from rag.index.base import EncodedPassages
from rag.types import Passage


@runtime_checkable
class Coder(Protocol):
    """An encoder in another process: it sends codes, since the states are thirty times as much."""

    def encode_to_codes(self, texts: Sequence[str]) -> tuple[Floats, list[TokenCodes]]:
        """As `encode_texts`. Raises `EncoderUnavailable`."""
        ...


GROUP = 64
"""Passages encoded at a time: bounds the memory that token states take until they are codes."""


def encode(documents: Sequence[Sequence[Passage]], encoder: Encoder) -> list[EncodedPassages]:
    """Vectors and token codes of the passages of some documents, each with at least one, in the order given.

    Together, because a document with one or two passages does not keep all cores busy.
    """
    vectors, codes = encode_passages([p for document in documents for p in document], encoder)
    encoded, first = [], 0
    for document in documents:
        some = slice(first, first + len(document))
        first = some.stop
        of = document[0]
        encoded.append(
            EncodedPassages(of.document_id, of.version, tuple(document), vectors[some], tuple(codes[some]))
        )
    return encoded


def encode_passages(passages: Sequence[Passage], encoder: Encoder) -> tuple[Floats, list[TokenCodes]]:
    """Vectors float32 [n, dimension] and token codes of passages, in the order given."""
    vectors: list[Floats] = []
    codes: list[TokenCodes] = []
    for first in range(0, len(passages), GROUP):
        texts = [p.search_text for p in passages[first : first + GROUP]]
        some_vectors, some_codes = encode_texts(texts, encoder)
        vectors.append(some_vectors)
        codes.extend(some_codes)
    stacked = np.concatenate(vectors) if vectors else np.zeros((0, encoder.dimension), np.float32)
    return stacked, codes


def encode_texts(texts: Sequence[str], encoder: Encoder) -> tuple[Floats, list[TokenCodes]]:
    """Vectors float32 [n, dimension] and token codes of some texts, in the order given."""
    if isinstance(encoder, Coder):
        return encoder.encode_to_codes(texts)
    encoding = encoder.encode_passages(texts)
    return encoding.vectors, [quantise(states) for states in encoding.states]
