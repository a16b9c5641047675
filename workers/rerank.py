"""The rerank worker: models loaded once, several by name. Knows no Django, no index, no database.

A job brings its texts, the fingerprint of the reranker it wants and a deadline; its reply goes to the Redis
list that it names. A job is never tried again: who asked has gone on without it.
"""

import os
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import redis
from celery.utils.log import get_logger

from rag.backends import module
from rag.errors import SpecError
from rag.models import ModelStore
from rag.rerank import golden
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
from workers.app import MODEL_DIR, QUEUE_URL, app
from workers.heartbeat import Heartbeat, client
from workers.held import Held
from workers.scheduler import Scheduler

log = get_logger(__name__)

KIND = "rerank"
MODELS: tuple[str, ...] = tuple(
    (os.environ.get("SIEVE_RERANK_MODELS") or "ms-marco-MiniLM-L-12-v2-int8").replace(",", " ").split()
)
"""The cross-encoders that this worker holds: `BACKEND:NAME` of the model store, or a name for `onnx`."""
MARGIN_S, MARGIN = 0.012, 0.03
"""Kept of a job's time for the way back: so many seconds, or this part of it if that is more."""


class Rerankers:
    """What this process holds, by fingerprint; `reply` is the way back to who asked."""

    def __init__(
        self,
        held: Mapping[str, Held],
        reply: Callable[[Job, Reply], None],
        unfit: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`unfit`: what is here but not served → why, in a sentence."""
        self.held, self.unfit, self._reply = held, unfit, reply
        self.scheduler = Scheduler(reply, tuple(held.values()))

    @classmethod
    def load(cls) -> "Rerankers":
        """Load, hold against the golden pairs and warm up: what scores otherwise is not served.

        Raises `ModelError` saying how to get a model that is not here.
        """
        held: dict[str, Held] = {}
        unfit: dict[str, str] = {}
        for one in map(_loaded, MODELS):
            if why := golden.check(one):
                log.error("A model does not score as it must; it is not served.")
                unfit[one.fingerprint] = why
            else:
                held[one.fingerprint] = Held(one.model)
        return cls(held, to_list(client(QUEUE_URL)), unfit)

    def take(self, job: Job) -> None:
        """Have a job scored in its time, or say why not. A job whose time is over is not begun."""
        held = self.held.get(job.reranker)
        left = job.deadline - time.time()
        if held is None:
            self._reply(job, self._refusal(job))
        elif left <= 0:
            sentence = "The rerank worker came to it too late."
            self._reply(job, Refused(id=job.id, code="too_late", sentence=sentence))
        else:
            self.scheduler.submit(job, held, seconds=left - max(MARGIN_S, MARGIN * left))

    def _refusal(self, job: Job) -> Refused:
        if why := self.unfit.get(job.reranker):
            return Refused(id=job.id, code="unfit", sentence=f"The rerank worker refuses this model: {why}")
        has = ", ".join(self.held) or "none"
        sentence = f"The rerank worker holds another model ({has}) than this pipeline asks for."
        return Refused(id=job.id, code="other_model", sentence=sentence)


def _loaded(named: str) -> PairReranker:
    """The model that a setting names. Raises `ModelError`, `SpecError`."""
    backend, _, model = named.rpartition(":")
    backend = backend or "onnx"
    of = module("rerank", backend)
    if not hasattr(of, "WEIGHTS"):
        raise SpecError(f"SIEVE_RERANK_MODELS names {named}: no worker can hold a model of {backend}.")
    loaded = of.load(model, ModelStore(MODEL_DIR).path(model), threads=None, options={})
    assert isinstance(loaded, PairReranker)
    return loaded


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
    return Heartbeat(
        QUEUE_URL,
        KIND,
        tuple(here.held),
        precision={name: held.model.precision for name, held in here.held.items()},
        unfit=dict(here.unfit),
        busy_since=lambda: here.scheduler.busy_since,
    )


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
