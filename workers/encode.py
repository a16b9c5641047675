"""The encode worker: encodes the passages of ingests, on a GPU for instance. Knows no Django and no index.

A job brings texts and the fingerprint of the encoder it wants; its reply, vectors and token codes, goes to
the Redis list that it names. A process of its own: questions never wait for an ingest, and where both
workers have one GPU, its driver shares it.
"""

import os
import time

import numpy as np
from celery.utils.log import get_logger

from rag.backends import Backends
from rag.encode.base import Encoder
from rag.encode.message import ENCODE, QUEUE, EncodedTexts, EncodeJob, EncodeReply, NotEncoded, job_of
from rag.ingest import encode_texts
from rag.models import ModelStore
from rag.rerank.message import REPLY_SECONDS, BadMessage, encode
from rag.spec import EncoderSpec
from workers.app import MODEL_DIR, QUEUE_URL, app
from workers.heartbeat import Heartbeat, client

log = get_logger(__name__)

MODELS: tuple[str, ...] = tuple(
    (os.environ.get("SIEVE_ENCODE_MODELS") or "bge-small-en-v1.5-int8").replace(",", " ").split()
)
"""The encoders that this worker holds: `BACKEND:NAME` of the model store, or a name for `onnx`."""

_held: dict[str, Encoder] = {}
_redis = client(QUEUE_URL) if QUEUE_URL else None
_heartbeat: Heartbeat | None = None


def begin() -> Heartbeat:
    """Load the encoders of this process. Raises `ModelError` saying how to get one that is not here."""
    global _heartbeat
    backends = Backends(ModelStore(MODEL_DIR).path)
    for named in MODELS:
        backend, _, model = named.rpartition(":")
        encoder = backends.encoder(EncoderSpec(backend=backend or "onnx", model=model))
        _held[encoder.fingerprint] = encoder
    _heartbeat = Heartbeat(QUEUE_URL, QUEUE, tuple(_held))
    return _heartbeat


def end() -> None:
    """A job takes seconds at most: there is nothing to cut short."""


@app.task(name=ENCODE)
def passages(job: object) -> None:
    try:
        wanted = job_of(job)
    except BadMessage:
        log.error("A job that cannot be read was dropped.")
        return
    if _heartbeat is None or _redis is None:
        raise RuntimeError("The encode worker was started without its models: python -m workers encode")
    if wanted.deadline <= time.time():
        return  # nobody waits for it any more
    with _heartbeat.busy():
        reply = _encoded(wanted)
    pipe = _redis.pipeline(transaction=False)
    pipe.rpush(wanted.reply_to, encode(reply))
    pipe.expire(wanted.reply_to, REPLY_SECONDS)
    pipe.execute()


def _encoded(job: EncodeJob) -> EncodeReply:
    encoder = _held.get(job.encoder)
    if encoder is None:
        sentence = f"The encode worker holds another encoder ({', '.join(_held)}) than the index needs."
        return NotEncoded(id=job.id, sentence=sentence)
    try:
        vectors, codes = encode_texts(job.texts, encoder)
    except Exception:
        log.exception("A job broke.")
        return NotEncoded(id=job.id, sentence="The encode worker failed on these passages.")
    data = np.ascontiguousarray(vectors, "<f4").tobytes()
    return EncodedTexts(id=job.id, vectors=data, codes=tuple(code.to_bytes() for code in codes))
