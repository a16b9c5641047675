"""What travels between an ingest and the worker that encodes its passages: JSON, vectors and codes as base64.

As for rerank jobs, `rag.rerank.message`: a task of Celery there, a Redis list back.
"""

import msgspec
import numpy as np
from msgspec import Struct

from rag.codes import TokenCodes
from rag.encode.base import Floats
from rag.rerank.message import BadMessage

ENCODE = "encode.passages"
"""The task's name; `search_app.dispatch` sends it, `workers.encode` has it."""
QUEUE = "encode"
"""The queue's name, and the kind of the worker."""


class EncodeJob(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Texts of passages to be encoded."""

    id: str
    texts: tuple[str, ...]
    encoder: str
    """Fingerprint of the encoder: another one refuses."""
    deadline: float
    """Unix time after which nobody waits any more."""
    reply_to: str
    """Redis list for the reply."""


class EncodedTexts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="encoded"):
    id: str
    vectors: bytes
    """float32 [n, dimension], little endian."""
    codes: tuple[bytes, ...]
    """`TokenCodes.to_bytes` of each text."""


class NotEncoded(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="not_encoded"):
    id: str
    sentence: str


EncodeReply = EncodedTexts | NotEncoded


def job_of(value: object) -> EncodeJob:
    """The job in the JSON value that the task was sent with. Raises `BadMessage`."""
    try:
        return msgspec.convert(value, EncodeJob)
    except msgspec.ValidationError as error:
        raise BadMessage(str(error)) from error


def unpacked(reply: EncodedTexts, texts: int, dimension: int) -> tuple[Floats, list[TokenCodes]]:
    """Vectors float32 [texts, dimension] and token codes. Raises `BadMessage` where they are not that."""
    try:
        vectors = np.frombuffer(reply.vectors, "<f4").reshape(texts, dimension)
        codes = [TokenCodes.from_bytes(data, dimension) for data in reply.codes]
    except ValueError as error:
        raise BadMessage(str(error)) from error
    if len(codes) != texts or not np.isfinite(vectors).all():
        raise BadMessage("The vectors or codes are not those of these texts.")
    return vectors, codes
