"""A worker's sign of life in Redis, beside its work: who it is, what it holds, since when it is busy."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rag.rerank.message import BEAT_EXPIRES_SECONDS, BEAT_SECONDS, Beat, beat_key, encode

log = logging.getLogger(__name__)


def client(url: str) -> redis.Redis:
    """A client that gives up after a second or two: what fails here is tried again soon."""
    return redis.Redis.from_url(
        url, socket_timeout=2, socket_connect_timeout=1, retry=Retry(NoBackoff(), 1), protocol=2
    )


class Heartbeat:
    """Beats in a thread of its own, whether Redis is there or not. `models` are fingerprints."""

    def __init__(
        self,
        url: str,
        kind: str,
        models: tuple[str, ...] = (),
        *,
        precision: dict[str, str] | None = None,
        unfit: dict[str, str] | None = None,
        busy_since: Callable[[], float | None] | None = None,
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        """`busy_since` and `trouble` are asked at each beat; without the first, `busy` says so."""
        self._redis = client(url)
        self._kind, self._models = kind, models
        self._precision, self._unfit = precision or {}, unfit or {}
        self._host, self._pid, self._started = socket.gethostname(), os.getpid(), time.time()
        self._busy_since: float | None = None
        self._ask_busy = busy_since
        self._ask_trouble = trouble
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say that the worker goes: nobody needs to wait for the key to expire."""
        self._stop.set()
        self._thread.join(timeout=3)
        with contextlib.suppress(redis.RedisError):
            self._redis.delete(self.key)

    @property
    def key(self) -> str:
        return beat_key(self._kind, self._host, self._pid)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        self._busy_since = time.time()
        try:
            yield
        finally:
            self._busy_since = None

    def _run(self) -> None:
        away = False
        while True:
            try:
                self._redis.set(self.key, encode(self._beat()), ex=BEAT_EXPIRES_SECONDS)
                away = False
            except redis.RedisError as error:
                if not away:
                    log.warning("The queue does not take signs of life.", exc_info=error)
                away = True
            if self._stop.wait(BEAT_SECONDS / 4 if away else BEAT_SECONDS):
                return

    def _beat(self) -> Beat:
        return Beat(
            kind=self._kind,
            host=self._host,
            pid=self._pid,
            started=self._started,
            models=self._models,
            precision=self._precision,
            unfit=self._unfit,
            busy_since=self._ask_busy() if self._ask_busy else self._busy_since,
            trouble=self._ask_trouble(),
        )
