"""The only door to the queue. A message is a hint: what is to be done stands in the database.

Celery carries the messages; a job's reply comes back by a Redis list on which the asker waits, with a
deadline. Tasks are named by string: this side never imports the workers.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from rag.codes import TokenCodes
from rag.encode.base import Encoder, Floats
from rag.errors import EncoderUnavailable, RerankUnavailable
from rag.rerank import message
from rag.rerank.message import Beat, Job, Refused, Reply, Scored
from rag.types import Passage, Scores, Spent

if TYPE_CHECKING:
    from search_app.queue_client import QueueClient

log = logging.getLogger(__name__)

WORK = "ingest.work"
INGEST = "ingest"
ENCODE = "encode"
QUEUES = (INGEST, message.RERANK)
Who = tuple[str, int]
"""Host and pid of a worker."""
PATIENCE_S = 60.0
"""Longest wait of who names no deadline."""
LOOK_S = 0.4
"""While waiting: how often to look whether a worker is still there."""


@lru_cache(maxsize=4)
def _client(url: str) -> "QueueClient":
    from search_app.queue_client import QueueClient  # Celery is imported by who uses a queue

    return QueueClient(url)


# --- Ingest ----------------------------------------------------------------------------------------------


def hint_ingest() -> None:
    """Say that there is work for the ingest worker, once the transaction is committed.

    A queue that is down is no error of who uploads: the worker looks by itself every few seconds.
    """
    if settings.QUEUE_URL:
        transaction.on_commit(_hint, robust=True)


def _hint() -> None:
    client = _client(settings.QUEUE_URL)
    try:
        if not client.waiting(INGEST):  # a message that waits will find the new rows, too
            client.send(WORK, [], queue=INGEST)
    except client.errors as error:
        log.warning("The ingest worker could not be told; it will look by itself.", exc_info=error)


# --- Rerank ----------------------------------------------------------------------------------------------


class QueuedReranker:
    """A cross-encoder that runs in a worker; same contract as one in this process. Threads may share it."""

    def __init__(self, fingerprint: str, url: str) -> None:
        self.fingerprint = fingerprint
        self._url = url

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        return self.score_texts(query, [passage.search_text for passage in passages], deadline=deadline)

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """One score per text, in the order given; None where the worker's time ran out.

        Raises `RerankUnavailable` at once when the queue is down or no worker holds this model, else
        at the deadline at the latest.
        """
        if not texts:
            return Scores("logit", (), 0.0)
        began = time.monotonic()
        client = _client(self._url)
        until = min(deadline, began + PATIENCE_S)
        try:
            able = self._able(client, until)
            left = until - time.monotonic()
            if left <= 0:
                raise RerankUnavailable("There was no time left for the cross-encoder.")
            job = client.job(query, texts, self.fingerprint, left)
            client.post(message.SCORE, [job], queue=message.RERANK, until=until)
            reply = self._wait(client, job, until, able)
        except client.errors as error:
            raise RerankUnavailable("The queue to the rerank worker cannot be reached.") from error
        if isinstance(reply, Refused):
            raise RerankUnavailable(reply.sentence)
        elapsed_ms = (time.monotonic() - began) * 1000
        spent = Spent(
            texts=sum(value is not None for value in reply.values),
            tokens=reply.tokens,
            queue_ms=max(0.0, elapsed_ms - reply.compute_ms),
            precision=reply.precision,
        )
        return Scores(reply.kind, reply.values, reply.compute_ms, spent)

    def _able(self, client: "QueueClient", until: float) -> frozenset[Who]:
        """Live workers that hold this model; raises where there is none."""
        there = [beat for beat in client.workers(until=until) if beat.kind == message.RERANK]
        if not there:
            raise RerankUnavailable("No rerank worker is running.")
        able = frozenset((beat.host, beat.pid) for beat in there if self.fingerprint in beat.models)
        refused = next((beat.unfit[self.fingerprint] for beat in there if self.fingerprint in beat.unfit), "")
        if not able and refused:
            raise RerankUnavailable(f"The rerank worker refuses this model: {refused}")
        if not able:
            raise RerankUnavailable(f"No rerank worker holds the model {self.fingerprint}.")
        return able

    def _wait(self, client: "QueueClient", job: Job, until: float, able: frozenset[Who]) -> Reply:
        while (left := until - time.monotonic()) > 0:
            data = client.take(job.reply_to, min(left, LOOK_S), until)
            if data is not None:
                return _reply(data, job)
            if not able & self._able(client, until=0.0):  # as seen last: a Redis that hangs takes no time
                raise RerankUnavailable("The rerank worker has gone away.")
        raise RerankUnavailable("The rerank worker did not answer in time.")


def _reply(data: bytes, job: Job) -> Reply:
    try:
        reply: Reply = message.decode(data, Reply)  # type: ignore[arg-type]
    except message.BadMessage as error:
        raise RerankUnavailable("The rerank worker's reply cannot be read.") from error
    if reply.id != job.id or (isinstance(reply, Scored) and not _fits(reply, job)):
        raise RerankUnavailable("The rerank worker's reply does not fit the question.")
    return reply


def _fits(reply: Scored, job: Job) -> bool:
    """Whether it has a value for each text, and those that time cut off, if any, are the last ones."""
    scored = [value is not None for value in reply.values]
    return len(scored) == len(job.texts) and scored == sorted(scored, reverse=True) and scored[0]


# --- Encode ----------------------------------------------------------------------------------------------


class QueuedEncoder:
    """The encoder of this process, of which the passages are encoded in a worker."""

    def __init__(self, here: Encoder, url: str) -> None:
        self.fingerprint, self.dimension, self.max_tokens = here.fingerprint, here.dimension, here.max_tokens
        self.encode_queries, self.offsets = here.encode_queries, here.offsets
        self.encode_passages = here.encode_passages
        self._url = url

    def encode_to_codes(self, texts: Sequence[str]) -> tuple[Floats, list[TokenCodes]]:
        """Vectors and token codes. Raises `EncoderUnavailable` where no worker gave them within a minute."""
        from rag.encode import message as sent

        client = _client(self._url)
        until = time.monotonic() + PATIENCE_S
        job = client.encode_job(texts, self.fingerprint, PATIENCE_S)
        try:
            self._able(client, until)
            client.post(sent.ENCODE, [job], queue=sent.QUEUE, until=until)
            while (data := client.take(job.reply_to, LOOK_S, until)) is None and time.monotonic() < until:
                self._able(client, until)
            reply = None if data is None else message.decode(data, sent.EncodeReply)  # type: ignore[arg-type]
            if isinstance(reply, sent.EncodedTexts):
                return sent.unpacked(reply, len(texts), self.dimension)
        except client.errors as error:
            raise EncoderUnavailable("The queue to the encode worker cannot be reached.") from error
        except message.BadMessage as error:
            raise EncoderUnavailable("The encode worker's reply does not fit the passages.") from error
        raise EncoderUnavailable(reply.sentence if reply else "The encode worker did not answer in time.")

    def _able(self, client: "QueueClient", until: float) -> None:
        beats = [beat for beat in client.workers(until=until) if beat.kind == ENCODE]
        if not any(self.fingerprint in beat.models for beat in beats):
            raise EncoderUnavailable(f"No encode worker holds the encoder {self.fingerprint}.")


# --- State -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One queue: how many messages wait, and for how long the oldest one has."""

    name: str
    length: int
    oldest_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """The queue and its workers at one moment, for health and metrics."""

    configured: bool
    """Whether there is to be a queue at all."""
    reachable: bool = False
    queues: tuple[QueueLine, ...] = ()
    workers: tuple[Beat, ...] = field(default=())
    """Live workers, of every kind, with the models they hold."""
    reason: str = ""
    """Why it is not reachable, in a sentence."""

    def alive(self, kind: str) -> tuple[Beat, ...]:
        return tuple(beat for beat in self.workers if beat.kind == kind)


def queue_state() -> QueueState:
    """Ask Redis now; takes a second at most when it is away. Never raises."""
    if not settings.QUEUE_URL:
        return QueueState(configured=False, reason="There is no queue: SIEVE_QUEUE is empty.")
    client = _client(settings.QUEUE_URL)
    try:
        workers = tuple(sorted(client.workers(fresh=True), key=lambda beat: (beat.kind, beat.host, beat.pid)))
        queues = tuple(_lines(client))
    except client.errors:
        return QueueState(configured=True, reason="Redis, the queue, cannot be reached.")
    return QueueState(configured=True, reachable=True, queues=queues, workers=workers)


def _lines(client: "QueueClient") -> Iterator[QueueLine]:
    for name in QUEUES:
        sent = client.oldest(name)
        yield QueueLine(
            name=name,
            length=client.waiting(name),
            oldest_s=None if sent is None else max(0.0, time.time() - sent),
        )
