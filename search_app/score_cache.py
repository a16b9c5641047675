"""Where scores are kept: in this process, and where there is a Redis in that, too, for all processes.

In Redis they lie in two hashes. One is filled; when it is full the other is emptied and filled next, and
what is found in the older one is written anew. So the oldest half goes at once, what is used stays, and
there are never more than `SIEVE_SCORE_CACHE`. A Redis that is away or full costs hits, never an answer.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.crypto import salted_hmac

from rag.rerank.base import TextReranker
from rag.rerank.cache import CachedReranker, MemoryScores, ScoreStore
from search_app.events import event

if TYPE_CHECKING:
    import redis

FILLED, HALVES = "sieve:scores", ("sieve:scores:0", "sieve:scores:1")
"""Keys: which half is filled, and the two."""
TIMEOUT_S = 0.025
"""Redis is near, and each question waits for it."""
AWAY_S = 5.0
"""After a failure it is not asked again for so long."""
KEPT_S = 30 * 24 * 3600
"""A half that nobody writes to any more is gone after so long."""
AT_ONCE = 500
"""Entries of one write: a script of Redis takes some thousand arguments at most."""
PUT = """
local half = tonumber(redis.call('GET', KEYS[1]) or '0')
redis.call('HSET', KEYS[2 + half], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[2 + half], ARGV[2])
if redis.call('HLEN', KEYS[2 + half]) >= tonumber(ARGV[1]) then
  redis.call('UNLINK', KEYS[3 - half])
  redis.call('SET', KEYS[1], 1 - half)
end
"""


def cached() -> Callable[[TextReranker], TextReranker]:
    """What puts a cache around a reranker, as the settings say; all it is put around share one store."""
    if not settings.SCORE_CACHE:
        return lambda reranker: reranker
    here = MemoryScores(settings.SCORE_CACHE)
    url = settings.SCORE_CACHE_REDIS or settings.QUEUE_URL
    store: ScoreStore = here if url in ("", "none") else SharedScores(here, url, settings.SCORE_CACHE)
    secret = salted_hmac("sieve.scores", "", algorithm="sha256").digest()
    return lambda reranker: CachedReranker(reranker, store, secret)


class SharedScores:
    """Entries of all processes, with those of this one before them."""

    def __init__(self, here: ScoreStore, url: str, most: int) -> None:
        self._here, self._half = here, max(1, most // 2)
        self._redis = _client(url)
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._shared = True

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        found = self._here.get(keys)
        wanted = [key for key, entry in zip(keys, found, strict=True) if entry is None]
        there = self._try(lambda: self._read(wanted)) if wanted else {}
        self._here.put(there)
        return [entry or there.get(key) for key, entry in zip(keys, found, strict=True)]

    def put(self, entries: Mapping[bytes, bytes]) -> None:
        self._here.put(entries)
        self._try(lambda: self._write(entries))

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(FILLED)
        for half in HALVES:
            pipe.hmget(half, keys)
        filled, *halves = pipe.execute()
        newer, older = (halves[1], halves[0]) if filled == b"1" else halves
        again = {key: old for key, new, old in zip(keys, newer, older, strict=True) if old and not new}
        self._write(again)
        return again | {key: new for key, new in zip(keys, newer, strict=True) if new}

    def _write(self, entries: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        flat = [part for entry in entries.items() for part in entry]
        for at in range(0, len(flat), 2 * AT_ONCE):
            some = flat[at : at + 2 * AT_ONCE]
            self._redis.eval(PUT, 1 + len(HALVES), FILLED, *HALVES, self._half, KEPT_S, *some)
        return {}

    def _try(self, work: Callable[[], dict[bytes, bytes]]) -> dict[bytes, bytes]:
        """What `work` gives, or nothing where Redis is away."""
        import redis

        if time.monotonic() < self._away_until:
            return {}
        try:
            done = work()
        except (redis.RedisError, OSError) as error:
            self._turned(False, error)
            return {}
        self._turned(True)
        return done

    def _turned(self, shared: bool, error: Exception | None = None) -> None:
        with self._lock:
            self._away_until = 0.0 if shared else time.monotonic() + AWAY_S
            turned, self._shared = shared != self._shared, shared
        if turned:
            event("scores_shared", shared=shared, error=error)


def _client(url: str) -> "redis.Redis":
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),  # once, over a new connection: the old one may be of a Redis that died
        protocol=2,
    )
