"""Connections whose requests end in time, whatever the server does.

The timeout of a socket is one of each read: a server that sends a byte now and then is never too late by
it. Here every read waits no longer than what is left of the `within` around it, and so does a look-up of
the host's name, which has no timeout of its own.
"""

import math
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from rag.deadline import left

Addresses = list[tuple[Any, ...]]


class Hold:
    """What one thread reads and writes inside its `holding`, so that another can end it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._sock: socket.socket | None = None

    def take(self, sock: socket.socket) -> None:
        """This is what is waited for now. Raises `ConnectionAbortedError` when all is to end."""
        with self._lock:
            self._sock = sock
            if self._ended:
                raise ConnectionAbortedError("nobody waits for it any more")

    def let_go(self) -> None:
        """The socket is not this thread's any longer: before it goes back to those that are kept."""
        with self._lock:
            self._sock = None

    def end(self) -> None:
        """Whatever waits, or would, ends; the other side is told that nobody listens."""
        with self._lock, suppress(OSError):
            self._ended = True
            if self._sock is not None:
                # That of `SSLSocket` would take its encryption away under the hands of the one who reads.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


_hold: ContextVar[Hold | None] = ContextVar("hold", default=None)


@contextmanager
def holding(hold: Hold) -> Iterator[None]:
    token = _hold.set(hold)
    try:
        yield
    finally:
        hold.let_go()
        _hold.reset(token)


def let_go() -> None:
    """Of what is held around, if anything is."""
    hold = _hold.get()
    if hold is not None:
        hold.let_go()


def _take(sock: socket.socket) -> None:
    hold = _hold.get()
    if hold is not None:
        hold.take(sock)


def _bound(sock: socket.socket) -> None:
    _take(sock)
    seconds = left()
    if seconds <= 0:
        raise TimeoutError("the request's time is over")
    if seconds < math.inf:
        sock.settimeout(seconds)


class _Socket(socket.socket):
    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        _bound(self)
        return super().recv_into(buffer, nbytes, flags)


class TlsSocket(ssl.SSLSocket):
    """For `SSLContext.sslsocket_class`."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        _bound(self)
        return super().recv_into(buffer, nbytes, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """Also what `sendall` is made of, which gives each of its writes the whole timeout."""
        _bound(self)
        return super().send(data, flags)


def _resolve(host: str, port: int) -> Addresses:
    """The addresses of a host. Raises `OSError` where it has none, or none in time."""
    found: list[Addresses] = []
    failed: list[OSError] = [TimeoutError("the name was not looked up in time")]

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed.insert(0, error if isinstance(error, OSError) else OSError("the name is none"))

    if left() == math.inf:
        look_up()
    else:
        looking = threading.Thread(target=look_up, daemon=True)
        looking.start()
        looking.join(max(left(), 0))
    if not found:
        raise failed[0]
    return found[0]


def _connect(connection: HTTPConnection) -> socket.socket:
    """Try every address of the host; each may take its share of the time that is left."""
    try:
        found = _resolve(connection.host, connection.port or connection.default_port)
    except TimeoutError:
        raise
    except OSError as error:
        raise NameResolutionError(connection.host, connection, socket.gaierror(str(error))) from error
    last: OSError = OSError("the host has no address")
    for place, (family, kind, protocol, _, address) in enumerate(found):
        sock = _Socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            limit = connection.timeout if isinstance(connection.timeout, int | float) else math.inf
            seconds = min(left(), limit) / (len(found) - place)
            sock.settimeout(max(seconds, 0.001) if seconds < math.inf else None)
            _take(sock)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            last = error
    raise NewConnectionError(connection, f"no connection: {last}") from last


class Plain(HTTPConnection):
    """For `HTTPConnectionPool.ConnectionCls`."""

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class Tls(HTTPSConnection):
    """For `HTTPSConnectionPool.ConnectionCls`; its context's `sslsocket_class` is `TlsSocket`."""

    def _new_conn(self) -> socket.socket:
        return _connect(self)
