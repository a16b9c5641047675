"""Counters of requests: one for all web processes where there is a Redis, else one a process.

A Redis that is away makes each process count for itself until it is back: who asks too often is then held
up later, and nobody is refused for it.
"""

import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import caches

from search_app.events import event

if TYPE_CHECKING:
    import redis

KEY = "sieve:rate:"
TIMEOUT_S = 0.25
"""Redis is near, and each request waits for it."""
AWAY_S = 5.0
"""After a failure it is not asked again for so long."""

_lock = threading.Lock()
_away_until = 0.0
_shared = True
"""Whether the last count was shared; a change is logged."""


def count(name: str, lives_s: int, by: int = 1) -> int:
    """So many more of this name; gives how many there are. The first begins its life in seconds."""
    if settings.QUEUE_URL and time.monotonic() >= _away_until:
        import redis

        try:
            number = _in_redis(_client(settings.QUEUE_URL), KEY + name, lives_s, by)
        except (redis.RedisError, OSError) as error:
            _turned(False, error)
        else:
            _turned(True)
            return number
    return _here(name, lives_s, by)


@lru_cache(maxsize=4)
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


def _in_redis(client: "redis.Redis", key: str, lives_s: int, by: int) -> int:
    pipe = client.pipeline(transaction=True)
    pipe.incrby(key, by)
    pipe.expire(key, lives_s)  # each time: a window's counter is asked for no longer than that
    number, _ = pipe.execute()
    return int(number)


def _here(name: str, lives_s: int, by: int) -> int:
    cache = caches["rates"]
    cache.add(name, 0, timeout=lives_s)
    try:
        return int(cache.incr(name, by))
    except ValueError:  # it went out of the cache in between
        return by


def _turned(shared: bool, error: Exception | None = None) -> None:
    global _away_until, _shared
    with _lock:
        _away_until = 0.0 if shared else time.monotonic() + AWAY_S
        turned, _shared = shared != _shared, shared
    if turned:
        event("rates_shared", shared=shared, error=error)
