"""The path of passages from text to what an index writes: encode, quantise."""

from collections.abc import Sequence

import numpy as np

from rag.codes import TokenCodes, quantise
from rag.encode.base import Encoder, Floats
from rag.index.base import EncodedPassages
from rag.types import Passage

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
        encoding = encoder.encode_passages([p.search_text for p in passages[first : first + GROUP]])
        vectors.append(encoding.vectors)
        codes.extend(quantise(states) for states in encoding.states)
    stacked = np.concatenate(vectors) if vectors else np.zeros((0, encoder.dimension), np.float32)
    return stacked, codes
