"""The rerank worker: cross-encoders loaded once, one job at a time. Knows no Django, no index, no database.

A job brings its texts, the fingerprint of the reranker it wants and a deadline; its reply goes to the Redis
list that it names. A job is never tried again: who asked has gone on without it.
"""

import os
import threading
import time
from collections.abc import Mapping

import redis
from celery.utils.log import get_logger

from rag.backends import Backends
from rag.errors import RerankUnavailable
from rag.models import ModelStore
from rag.rerank.message import (
    REPLY_SECONDS,
    SCORE,
    BadMessage,
    Job,
    Refused,
    Reply,
    Scored,
    encode,
    from_plain,
)
from rag.rerank.onnx import OnnxReranker
from rag.spec import RerankSpec
from workers.app import MODEL_DIR, QUEUE_URL, app
from workers.heartbeat import Heartbeat, client

log = get_logger(__name__)

KIND = "rerank"
MODELS: tuple[str, ...] = tuple(
    (os.environ.get("SIEVE_RERANK_MODELS") or "ms-marco-MiniLM-L-12-v2-int8").replace(",", " ").split()
)
"""The cross-encoders that this worker holds, by their names in the model store."""
MARGIN_S = 0.012
"""Kept of a job's time for the way back."""


class Rerankers:
    """What this process holds, by fingerprint, and the way back to who asked."""

    def __init__(self, held: Mapping[str, OnnxReranker], replies: redis.Redis, heartbeat: Heartbeat) -> None:
        self.held, self.replies, self.heartbeat = held, replies, heartbeat

    @classmethod
    def load(cls) -> "Rerankers":
        """Load and warm up. Raises `ModelError` saying how to get a model that is not here."""
        backends = Backends(ModelStore(MODEL_DIR).path)
        specs = [RerankSpec(backend="onnx", model=m, depth=1, budget_ms=1000, required=False) for m in MODELS]
        loaded = [backends.cross_encoder(spec) for spec in specs]
        held = {one.fingerprint: one for one in loaded if isinstance(one, OnnxReranker)}
        return cls(held, client(QUEUE_URL), Heartbeat(QUEUE_URL, KIND, tuple(held)))

    def work(self, job: Job) -> None:
        with self.heartbeat.busy():
            reply = answer(job, self.held)
        pipe = self.replies.pipeline(transaction=False)
        pipe.rpush(job.reply_to, encode(reply))
        pipe.expire(job.reply_to, REPLY_SECONDS)
        try:
            pipe.execute()
        except redis.RedisError as error:
            log.warning("A reply could not be given.", exc_info=error)


def answer(job: Job, held: Mapping[str, OnnxReranker]) -> Reply:
    """Scores for a job, or why there are none. A job whose time is over is not begun."""
    reranker = held.get(job.reranker)
    if reranker is None:
        has = ", ".join(held) or "none"
        sentence = f"The rerank worker holds another model ({has}) than this pipeline asks for."
        return Refused(id=job.id, code="other_model", sentence=sentence)
    left = job.deadline - time.time()
    if left <= 0:
        sentence = "The rerank worker came to it too late."
        return Refused(id=job.id, code="too_late", sentence=sentence)
    return InTime(job, reranker).outcome(left - MARGIN_S)


class InTime:
    """A job's scores when its time is over at the latest, whatever the model is at.

    A cross-encoder foresees what it has time for, and errs where the machine is busy. In one process that
    costs a moment; here it would cost everything, because nobody waits for the reply any more. So the
    scores are gathered as they come, and what there is in time is given. The text that the model is at
    then is scored to its end, for nobody, beside the next job.
    """

    def __init__(self, job: Job, reranker: OnnxReranker) -> None:
        self._job, self._reranker = job, reranker
        self._scored: dict[int, float] = {}
        self._reply: Reply | None = None

    def outcome(self, seconds: float) -> Reply:
        began = time.monotonic()
        thread = threading.Thread(target=self._run, args=(began + seconds,), daemon=True)
        thread.start()
        thread.join(max(0.0, seconds))
        if self._reply is not None:
            return self._reply
        scored = dict(self._scored)
        texts = len(self._job.texts)
        prefix = next((place for place in range(texts) if place not in scored), texts)
        if not prefix:
            sentence = "The cross-encoder had no time left to score a single passage."
            return Refused(id=self._job.id, code="too_late", sentence=sentence)
        values = tuple(scored[n] if n < prefix else None for n in range(texts))
        compute_ms = (time.monotonic() - began) * 1000
        return Scored(id=self._job.id, kind="logit", values=values, compute_ms=compute_ms)

    def _run(self, deadline: float) -> None:
        job = self._job
        try:
            scores = self._reranker.score_texts(
                job.query, job.texts, deadline=deadline, on_score=self._scored.__setitem__
            )
        except RerankUnavailable as error:
            self._reply = Refused(id=job.id, code="too_late", sentence=str(error))
        except Exception:
            log.exception("A job broke.")
            sentence = "The rerank worker failed on these passages."
            self._reply = Refused(id=job.id, code="failed", sentence=sentence)
        else:
            self._reply = Scored(
                id=job.id, kind=scores.kind, values=scores.values, compute_ms=scores.compute_ms
            )


_here: Rerankers | None = None


def begin() -> Heartbeat:
    """Load the models of this process. Call it before the worker takes its first job."""
    global _here
    _here = Rerankers.load()
    return _here.heartbeat


def end() -> None:
    """A job is done within its deadline: there is nothing to cut short."""


@app.task(name=SCORE)
def score(job: object) -> None:
    try:
        wanted = from_plain(job)
    except BadMessage:
        log.error("A job that cannot be read was dropped.")
        return
    if _here is None:
        raise RuntimeError("The rerank worker was started without its models: python -m workers rerank")
    _here.work(wanted)
