"""Seats: how many requests compute at the same time. Who waits for a reader or a model needs none.

A thread costs little, so there are many (`search_app.gunicorn`); cores and connections to the database are
what is scarce. A request takes a seat while it is worked out and leaves it while its answer is written to
somebody, however slowly he reads, and while a language model writes it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.http import HttpRequest, HttpResponseBase

from search_app import leaving
from search_app.gunicorn import SEATS
from search_app.middleware import PROBES, GetResponse

_free = threading.BoundedSemaphore(SEATS)
_own = threading.local()
_keepers: set[int] = set()
"""Threads that keep their connection to the database between two requests: no more than there are seats."""


@contextmanager
def taken() -> Iterator[None]:
    """With a seat, which is waited for; the one that this thread has, if it has one."""
    if getattr(_own, "seat", False):
        yield
        return
    _free.acquire()
    _own.seat = True
    try:
        yield
    finally:
        _own.seat = False
        _free.release()


@contextmanager
def left() -> Iterator[None]:
    """Without the seat that this thread has, if it has one; it is waited for afterwards."""
    if not getattr(_own, "seat", False):
        yield
        return
    _own.seat = False
    _free.release()
    try:
        yield
    finally:
        _free.acquire()
        _own.seat = True


def rest() -> None:
    """Close this thread's connections to the database, if enough other threads keep theirs."""
    me = threading.get_ident()
    if me in _keepers:
        return
    if len(_keepers) < SEATS:
        _keepers.add(me)
        return
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


class Seated:
    """A middleware: works a request out on a seat. What it streams after that takes one when it computes."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        leaving.remember(request)
        if request.path.strip("/") in PROBES:
            return self.get_response(request)
        with taken():
            response = self.get_response(request)
            if not response.streaming:
                rest()
        return response
