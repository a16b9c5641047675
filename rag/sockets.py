"""Connections whose requests end in time, whatever the server does.

The timeout of a socket is one of each read: a server that sends a byte now and then is never too late by
it. Here every read waits no longer than what is left of the `within` around it, and so does a look-up of
the host's name, which has no timeout of its own.
"""

import math
import socket
import ssl
import threading
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from rag.deadline import left

Addresses = list[tuple[Any, ...]]


def _bound(sock: socket.socket) -> None:
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
