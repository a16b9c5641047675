"""A question and the texts written beside it, as one text for the words and one vector for the meaning.

BM25 of texts laid end to end is the sum of theirs, and the question is repeated so that it keeps its
weight (query2doc, Wang et al. 2023). The vector is the mean of the question's and the texts' (HyDE, Gao et
al. 2022), where the question counts as much as all of them together.
"""

from collections.abc import Sequence

from rag.encode.base import Encoder, Floats, unit
from rag.types import Expansion

TIMES_BESIDE_A_PASSAGE = 5
"""What query2doc repeats a question beside one written passage."""


def joined_text(question: str, expansion: Expansion | None) -> str:
    if expansion is None:
        return question
    times = TIMES_BESIDE_A_PASSAGE if expansion.method == "hyde" else 1
    return "\n".join([question] * (times * len(expansion.texts)) + list(expansion.texts))


def joined_vector(question: str, expansion: Expansion | None, encoder: Encoder) -> Sequence[float]:
    """Raises `EncoderUnavailable`. A written passage is encoded as passages are."""
    if expansion is None:
        found: Sequence[float] = encoder.encode_queries([question]).vectors[0]
        return found
    if expansion.method == "hyde":
        asked = encoder.encode_queries([question]).vectors[0]
        beside = encoder.encode_passages(expansion.texts).vectors
    else:
        vectors = encoder.encode_queries([question, *expansion.texts]).vectors
        asked, beside = vectors[0], vectors[1:]
    whole: Floats = unit((asked + beside.mean(axis=0))[None])
    joined: Sequence[float] = whole[0]
    return joined
