"""The rerank worker: cross-encoders loaded once. Knows no Django, no index, no database.

A job brings its texts, the fingerprint of the reranker it wants and a deadline; its reply goes to the Redis
list that it names. A job is never tried again: who asked has gone on without it.
"""

import os
import time
from collections.abc import Callable, Mapping

import redis
from celery.utils.log import get_logger

from rag.backends import Backends
from rag.models import ModelStore
from rag.parallel import cores
from rag.rerank.message import (
    REPLY_SECONDS,
    SCORE,
    BadMessage,
    Job,
    Refused,
    Reply,
    encode,
    from_plain,
)
from rag.rerank.pairs import PairReranker
from rag.spec import RerankSpec
from workers.app import MODEL_DIR, QUEUE_URL, app
from workers.heartbeat import Heartbeat, client
from workers.sharing import Scorer, Sharing

log = get_logger(__name__)

KIND = "rerank"
MODELS: tuple[str, ...] = tuple(
    (os.environ.get("SIEVE_RERANK_MODELS") or "ms-marco-MiniLM-L-12-v2-int8").replace(",", " ").split()
)
"""The cross-encoders that this worker holds, by their names in the model store."""
MARGIN_S, MARGIN = 0.012, 0.03
"""Kept of a job's time for the way back: so many seconds, or this part of it if that is more."""


class Rerankers:
    """What this process holds, by fingerprint; `reply` is the way back to who asked."""

    def __init__(self, held: Mapping[str, Scorer], reply: Callable[[Job, Reply], None], threads: int) -> None:
        self.held, self._reply = held, reply
        self.sharing = Sharing(reply, threads)

    @classmethod
    def load(cls) -> "Rerankers":
        """Load and warm up. Raises `ModelError` saying how to get a model that is not here."""
        backends = Backends(ModelStore(MODEL_DIR).path)
        specs = [RerankSpec(backend="onnx", model=m, depth=1, budget_ms=1000, required=False) for m in MODELS]
        loaded = [backends.cross_encoder(spec) for spec in specs]
        held = {one.fingerprint: one for one in loaded if isinstance(one, PairReranker)}
        return cls(held, to_list(client(QUEUE_URL)), cores())

    def take(self, job: Job) -> None:
        """Have a job scored in its time, or say why not. A job whose time is over is not begun."""
        reranker = self.held.get(job.reranker)
        left = job.deadline - time.time()
        if reranker is None:
            has = ", ".join(self.held) or "none"
            sentence = f"The rerank worker holds another model ({has}) than this pipeline asks for."
            self._reply(job, Refused(id=job.id, code="other_model", sentence=sentence))
        elif left <= 0:
            sentence = "The rerank worker came to it too late."
            self._reply(job, Refused(id=job.id, code="too_late", sentence=sentence))
        else:
            self.sharing.submit(job, reranker, seconds=left - max(MARGIN_S, MARGIN * left))


def to_list(replies: redis.Redis) -> Callable[[Job, Reply], None]:
    """Pushes a reply to the list that its job names, where it lies for a while at most."""

    def push(job: Job, reply: Reply) -> None:
        pipe = replies.pipeline(transaction=False)
        pipe.rpush(job.reply_to, encode(reply))
        pipe.expire(job.reply_to, REPLY_SECONDS)
        try:
            pipe.execute()
        except redis.RedisError as error:
            log.warning("A reply could not be given.", exc_info=error)

    return push


_here: Rerankers | None = None


def begin() -> Heartbeat:
    """Load the models of this process. Call it before the worker takes its first job."""
    global _here
    _here = here = Rerankers.load()
    return Heartbeat(QUEUE_URL, KIND, tuple(here.held), busy_since=lambda: here.sharing.busy_since)


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
    _here.take(wanted)
