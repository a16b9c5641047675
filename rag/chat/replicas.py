"""Several servers with the same model: which is asked, and which is left alone for a while."""

import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rag.exchange import BUSY, LONGEST_S, Client, ServiceUnavailable
from rag.services import Service

REST_S = 10.0
"""One that failed before its first token is not asked for so long while there is another."""


@dataclass(slots=True)
class Replica:
    number: int
    """In the list of the service, from 1."""
    client: Client
    at_work: int = 0
    """Answers of this process that it is writing."""
    rests_until: float = 0.0
    """By the monotonic clock."""


class Replicas:
    """Those of one service. Threads may share it."""

    def __init__(self, service: Service, *, key: str = "", called: str = "") -> None:
        """Raises `SpecError` for an address or a certificate that cannot be."""
        urls = service.addresses
        clients = (Client(service, url=url, key=key, called=called) for url in urls)
        self.all = tuple(Replica(number, client) for number, client in enumerate(clients, start=1))
        self._lock = threading.Lock()
        self._turn = 0

    def order(self, salt: str) -> tuple[Replica, ...]:
        """All of them, the one to be asked first first.

        One that rests comes after those that do not; then the least busy counts. Of equal ones those of a
        salt are always asked in the same order, so that its prefix is found again; without a salt they take
        turns.
        """
        now, number = time.monotonic(), len(self.all)
        with self._lock:
            self._turn += 1
            first = zlib.crc32(salt.encode()) if salt else self._turn

            def rank(replica: Replica) -> tuple[float, int, int]:
                rests = replica.rests_until if replica.rests_until > now else 0.0
                return rests, replica.at_work, (replica.number - 1 - first) % number

            return tuple(sorted(self.all, key=rank))

    @contextmanager
    def work(self, replica: Replica) -> Iterator[None]:
        """Around one answer of it."""
        with self._lock:
            replica.at_work += 1
        try:
            yield
        finally:
            with self._lock:
                replica.at_work -= 1

    def failed(self, replica: Replica, error: ServiceUnavailable) -> bool:
        """Leave it alone for a while. Whether another could do better with the same request."""
        if 400 <= error.status < 500 and error.status not in BUSY:
            return False
        seconds = REST_S if error.retry_s is None else min(error.retry_s, LONGEST_S)
        with self._lock:
            replica.rests_until = time.monotonic() + seconds
        return True

    def answered(self, replica: Replica) -> None:
        replica.rests_until = 0.0
