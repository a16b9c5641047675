"""One process's connections to the queue: Celery to send, plain Redis to wait and to look.

Timeouts are short: who sends stands in a request. Threads may share it.
"""

import json
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from rag.rerank.message import BEAT_KEY, REPLY_KEY, BadMessage, Beat, Job, broker_url, decode

TIMEOUT_S = 0.5
"""Redis is near: one that takes longer to answer a plain command counts as down."""
REMEMBER_S = 0.4
"""How long the list of live workers is taken for true."""
CONNECTIONS = 64
SENT = "sieve_sent"
"""Header of a message: unix time at which it was sent."""


class QueueClient:
    errors = (redis.RedisError, OperationalError, KombuError, OSError)
    """What its methods raise when Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
            max_connections=CONNECTIONS,
            protocol=2,
        )
        self._celery = Celery("sieve-sender", broker=broker_url(url), set_as_current=False, fixups=())
        self._celery.conf.update(
            accept_content=["json"],
            task_serializer="json",
            task_ignore_result=True,
            broker_pool_limit=CONNECTIONS,
            broker_transport_options={"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S},
            task_publish_retry_policy={
                "max_retries": 1,
                "interval_start": 0,
                "interval_step": 0,
                "interval_max": 0,
            },
        )
        self._looking = threading.Lock()
        self._seen: tuple[float, tuple[Beat, ...] | redis.RedisError] = (-REMEMBER_S, ())

    def send(self, task: str, args: list[Any], *, queue: str, expires: float | None = None) -> None:
        """Put a message into a queue; `expires` in seconds. A broken connection is made anew once."""
        self._celery.send_task(
            task, args=args, queue=queue, expires=expires, ignore_result=True, headers={SENT: time.time()}
        )

    def job(self, query: str, texts: Sequence[str], reranker: str, left_s: float) -> Job:
        """A rerank job that must be answered within `left_s` seconds."""
        number = uuid.uuid4().hex
        return Job(
            id=number,
            query=_plain(query),
            texts=tuple(map(_plain, texts)),
            reranker=reranker,
            deadline=time.time() + left_s,
            reply_to=REPLY_KEY + number,
        )

    def take(self, key: str, seconds: float, until: float) -> bytes | None:
        """The first entry of a list as soon as there is one; None when Redis says that there was none.

        It says so after so many seconds, and is waited for until that time of the monotonic clock:
        who hung up before could lose the entry that Redis was just handing over.
        """
        pool = self._redis.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_command("BLPOP", key, f"{max(seconds, 0.001):.3f}")
            if not connection.can_read(max(0.0, until - time.monotonic())):
                connection.disconnect()  # its answer, if it comes yet, is nobody's
                return None
            found = connection.read_response()
        finally:
            pool.release(connection)
        return None if found is None else found[1]

    def workers(self, *, fresh: bool = False) -> tuple[Beat, ...]:
        """Live workers, as of a moment ago."""
        with self._looking:
            at, seen = self._seen
            if fresh or time.monotonic() - at > REMEMBER_S:
                seen = self._look()
                self._seen = (time.monotonic(), seen)
        if isinstance(seen, redis.RedisError):
            raise seen
        return seen

    def _look(self) -> tuple[Beat, ...] | redis.RedisError:
        try:
            keys = list(self._redis.scan_iter(match=BEAT_KEY + "*", count=1000))
            values = self._redis.mget(keys) if keys else []
        except redis.RedisError as error:
            return error
        return tuple(beat for value in values if value and (beat := _beat(value)))

    def waiting(self, queue: str) -> int:
        return int(self._redis.llen(queue))

    def oldest(self, queue: str) -> float | None:
        """Unix time at which the message that is next in a queue was sent; None when it is empty."""
        found = self._redis.lindex(queue, -1)
        try:
            return float(json.loads(found)["headers"][SENT]) if found else None
        except (ValueError, KeyError, TypeError):
            return None  # a message that somebody else put there


def _beat(data: bytes) -> Beat | None:
    try:
        return decode(data, Beat)
    except BadMessage:
        return None  # a worker of another version: as good as not there


def _plain(text: str) -> str:
    """The same number of characters without halves of surrogate pairs, which JSON in UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
