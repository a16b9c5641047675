"""One process's connections to the queue: Celery's messages, plain Redis to carry them, to wait and to look.

Timeouts are short: who sends stands in a request. Threads may share it.
"""

import json
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import redis
from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from rag.encode.message import EncodeJob
from rag.rerank.message import BEAT_KEY, REPLY_KEY, BadMessage, Beat, Job, broker_url, decode

TIMEOUT_S = 0.5
"""Redis is near: one that takes longer to answer a plain command counts as down."""
REMEMBER_S = 0.4
"""How long the list of live workers is taken for true."""
CONNECTIONS = 64
SENT = "sieve_sent"
"""Header of a message: unix time at which it was sent."""
NO_MORE = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
"""The end of a message's body in Celery's protocol: nothing is to follow the task."""


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
            driver_info=None,  # a new connection has nothing to tell first
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
        self._looked, self._looking = threading.Condition(), False
        self._seen: tuple[float, tuple[Beat, ...] | redis.RedisError] = (-REMEMBER_S, ())

    def send(self, task: str, args: list[Any], *, queue: str) -> None:
        """Put a message into a queue. A broken connection is made anew once."""
        self._celery.send_task(task, args=args, queue=queue, ignore_result=True, headers={SENT: time.time()})

    def post(self, task: str, args: list[Any], *, queue: str, until: float) -> None:
        """The same in one command, for who has a deadline: a time of the monotonic clock.

        Celery's own sending has no deadline and takes several commands; its worker reads this as well.
        Raises `redis.TimeoutError` where Redis does not answer in time.
        """
        if self._exchange(until, "LPUSH", queue, celery_message(task, args, queue)) is None:
            raise redis.TimeoutError("Redis did not take a message in time.")

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

    def encode_job(self, texts: Sequence[str], encoder: str, left_s: float) -> EncodeJob:
        """Passages that must be encoded within `left_s` seconds."""
        number = uuid.uuid4().hex
        return EncodeJob(
            id=number,
            texts=tuple(map(_plain, texts)),
            encoder=encoder,
            deadline=time.time() + left_s,
            reply_to=REPLY_KEY + number,
        )

    def take(self, key: str, seconds: float, until: float) -> bytes | None:
        """The first entry of a list as soon as there is one; None when Redis says that there was none.

        It says so after so many seconds, and is waited for until that time of the monotonic clock:
        who hung up before could lose the entry that Redis was just handing over.
        """
        found = self._exchange(until, "BLPOP", key, f"{max(seconds, 0.001):.3f}")
        return None if found is None else found[1]

    def _exchange(self, until: float, *command: str | bytes) -> Any:
        """Redis's reply to a command; None where there is none by then, or it says that there is nothing."""
        pool = self._redis.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_command(*command)
            if not connection.can_read(max(0.0, until - time.monotonic())):
                connection.disconnect()  # its answer, if it comes yet, is nobody's
                return None
            return connection.read_response()
        finally:
            pool.release(connection)

    def workers(self, *, fresh: bool = False, until: float | None = None) -> tuple[Beat, ...]:
        """Live workers, as of a moment ago. Waits for Redis until that time of the monotonic clock at most.

        A time that is over has it say what it saw last, while it looks again behind the scenes. Raises
        `redis.RedisError` when Redis is away, or has not answered by then.
        """
        with self._looked:
            at = self._seen[0]
            age = time.monotonic() - at
            if (fresh or age > REMEMBER_S / 2) and not self._looking:
                self._looking = True
                threading.Thread(target=self._look, name="lookout", daemon=True).start()
            left = 3 * TIMEOUT_S if until is None else until - time.monotonic()
            wait = (fresh or age > REMEMBER_S) and left > 0
            if wait and not self._looked.wait_for(lambda: self._seen[0] > at, left):
                raise redis.TimeoutError("Redis did not say in time which workers there are.")
            seen = self._seen[1]
        if isinstance(seen, redis.RedisError):
            raise seen
        return seen

    def _look(self) -> None:
        """In a thread of its own: a Redis that hangs takes longer than who asks has time."""
        seen: tuple[Beat, ...] | redis.RedisError
        try:
            keys = list(self._redis.scan_iter(match=BEAT_KEY + "*", count=1000))
            values = self._redis.mget(keys) if keys else []
            seen = tuple(beat for value in values if value and (beat := _beat(value)))
        except redis.RedisError as error:
            seen = error
        except Exception as error:
            seen = redis.RedisError(str(error))
        with self._looked:
            self._seen, self._looking = (time.monotonic(), seen), False
            self._looked.notify_all()

    def waiting(self, queue: str) -> int:
        return int(self._redis.llen(queue))

    def oldest(self, queue: str) -> float | None:
        """Unix time at which the message that is next in a queue was sent; None when it is empty."""
        found = self._redis.lindex(queue, -1)
        try:
            return float(json.loads(found)["headers"][SENT]) if found else None
        except (ValueError, KeyError, TypeError):
            return None  # a message that somebody else put there


def celery_message(task: str, args: list[Any], queue: str) -> bytes:
    """A message in version 2 of Celery's protocol as kombu puts it into a list of Redis, less what is None.

    https://docs.celeryq.dev/en/stable/internals/protocol.html
    """
    number = uuid.uuid4().hex
    body = msgspec.json.encode((args, {}, NO_MORE)).decode("utf-8")
    headers = {"lang": "py", "task": task, "id": number, "root_id": number, "ignore_result": True}
    properties = {
        "correlation_id": number,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "delivery_tag": number,
    }
    return msgspec.json.encode(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers | {SENT: time.time()},
            "properties": properties,
        }
    )


def _beat(data: bytes) -> Beat | None:
    try:
        return decode(data, Beat)
    except BadMessage:
        return None  # a worker of another version: as good as not there


def _plain(text: str) -> str:
    """The same number of characters without halves of surrogate pairs, which JSON in UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
