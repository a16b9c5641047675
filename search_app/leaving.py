"""Askers who leave: their going is noticed at once, whatever is being waited for on their behalf.

One thread looks at the connections of all clients for whom something is being worked out. A server that
does not hand its sockets over, and a system without epoll, notice it at the next write.
"""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest

_client: ContextVar[socket.socket | None] = ContextVar("client", default=None)
"""The connection of the request that this thread is at; set by a middleware, so that every door has it."""


def remember(request: HttpRequest) -> None:
    """From now on this thread works for the client of this request. Gunicorn hands its socket over."""
    _client.set(request.META.get("gunicorn.socket"))


@contextmanager
def watched(gone: Callable[[], None]) -> Iterator[None]:
    """`gone` is called once, from another thread, when the client of this thread's request leaves."""
    client = _client.get()
    number = client.fileno() if client is not None else -1
    if number < 0 or not hasattr(select, "epoll"):
        yield
        return
    _watch.add(number, gone)
    try:
        yield
    finally:
        _watch.remove(number)


class _Watch:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone: dict[int, Callable[[], None]] = {}
        self._epoll: select.epoll | None = None

    def add(self, number: int, gone: Callable[[], None]) -> None:
        with self._lock:
            if self._epoll is None:  # not before a process was forked
                self._epoll = select.epoll()
                threading.Thread(target=self._run, name="leaving", daemon=True).start()
            self._gone[number] = gone
            # Once: a client that only closed its sending half counts as gone, too, as for nginx.
            self._epoll.register(number, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLONESHOT)

    def remove(self, number: int) -> None:
        """Before the socket is closed: its number is then another's."""
        with self._lock:
            assert self._epoll is not None
            self._gone.pop(number, None)
            self._epoll.unregister(number)

    def _run(self) -> None:
        assert self._epoll is not None
        while True:
            for number, _ in self._epoll.poll():
                with self._lock:
                    gone = self._gone.pop(number, None)
                    if gone is not None:
                        gone()


_watch = _Watch()
