"""The path of a document after parsing: split, encode, quantise. Writing is the index's work."""

import numpy as np

from rag.codes import TokenCodes, quantise
from rag.encode.base import Encoder, Floats
from rag.index.base import EncodedPassages
from rag.parse.base import ParsedDocument
from rag.spec import SplitSpec
from rag.split import split
from rag.types import Passage

GROUP = 64
"""Passages encoded at a time: bounds the memory that token states take until they are codes."""


def encode_passages(
    passages: list[Passage], encoder: Encoder, *, document_id: str, version: int
) -> EncodedPassages:
    """Vectors and token codes of the passages of one document version, in order of position."""
    vectors: list[Floats] = []
    codes: list[TokenCodes] = []
    for first in range(0, len(passages), GROUP):
        encoding = encoder.encode_passages([p.search_text for p in passages[first : first + GROUP]])
        vectors.append(encoding.vectors)
        codes.extend(quantise(states) for states in encoding.states)
    stacked = np.concatenate(vectors) if vectors else np.zeros((0, encoder.dimension), np.float32)
    return EncodedPassages(document_id, version, tuple(passages), stacked, tuple(codes))


def encode_document(
    parsed: ParsedDocument,
    *,
    document_id: str,
    version: int,
    collection: str,
    encoder: Encoder,
    spec: SplitSpec,
) -> EncodedPassages:
    """Split a parsed document and encode its passages."""
    passages = split(
        parsed,
        document_id=document_id,
        version=version,
        collection=collection,
        encoder=encoder,
        spec=spec,
    )
    return encode_passages(passages, encoder, document_id=document_id, version=version)
