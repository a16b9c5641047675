"""A connection whose requests end in time, whatever the server does.

The timeout of a socket is one of each read: a server that sends a byte now and then is never too late by
it. Here every read waits no longer than what is left of the request, and of the `within` around it.
"""

import math
import socket
import ssl
import time
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from opensearchpy.connection import Urllib3HttpConnection
from opensearchpy.exceptions import ConnectionTimeout, SerializationError
from opensearchpy.serializer import JSONSerializer
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from rag.index.opensearch.deadline import left, within


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


def _connect(connection: HTTPConnection) -> socket.socket:
    """Try every address of the host; each may take its share of the time that is left."""
    try:
        found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NameResolutionError(connection.host, connection, socket.gaierror(str(error))) from error
    last: OSError = OSError("the host has no address")
    for place, (family, kind, protocol, _, address) in enumerate(found):
        sock = _Socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            seconds = min(left(), connection.timeout or math.inf) / (len(found) - place)
            sock.settimeout(max(seconds, 0.001) if seconds < math.inf else None)
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            last = error
    raise NewConnectionError(connection, f"no connection: {last}") from last


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _Tls(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self)


class Connection(Urllib3HttpConnection):
    """The client's own connection with a timeout that is one of the whole request. It logs nothing:
    what fails is raised, and neither questions nor documents belong into a log."""

    def _create_urllib3_pool(self) -> None:
        super()._create_urllib3_pool()
        assert self.pool is not None
        self.pool.ConnectionCls = _Tls if self.use_ssl else _Plain

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        with within(time.monotonic() + (timeout or self.timeout)):
            seconds = left()
            if seconds <= 0:
                raise ConnectionTimeout("TIMEOUT", "the request's time is over", None)
            return super().perform_request(method, url, params, body, seconds, ignore, headers)

    def log_request_success(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def log_request_fail(self, *_: Any, **__: Any) -> None:
        """Nothing."""


class Serializer(JSONSerializer):
    """Reads answers a few times faster than the client's own."""

    def loads(self, s: str) -> Any:
        try:
            return msgspec.json.decode(s)
        except (ValueError, RecursionError) as error:
            raise SerializationError(s, error) from error
