"""An HTTP proxy on loopback, one thread a connection, that does what its rules say with each request.

A request that no rule takes is passed on. A rule takes requests by method, path and what their body
holds, lets the first few pass where it is told to, and applies its fault so many times or for ever.
"""

import http.client
import os
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

UPSTREAM_S = 120.0
"""Longest that the real server may take; no fault."""
HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"}
)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    type: str = "application/json; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """One request, and what can be done with it. A fault calls these in the order it likes."""

    def __init__(self, proxy: "Proxy", connection: socket.socket, request: Request) -> None:
        self.request = request
        self.closed = False
        """The connection ends with this exchange."""
        self._proxy = proxy
        self._connection = connection

    def forward(self, body: bytes | None = None) -> Answer:
        """Have the real server do it, with another body where one is given; its answer is not passed on."""
        upstream = self._proxy.connect()
        headers = {name: value for name, value in self.request.headers.items() if name.lower() not in HOP}
        sent = self.request.body if body is None else body
        try:
            upstream.request(self.request.method, self.request.path, sent or None, headers)
            answer = upstream.getresponse()
            said = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
            kind = said.pop("content-type", said.pop("Content-Type", ""))
            return Answer(answer.status, answer.read(), kind, said)
        finally:
            upstream.close()

    def send(self, answer: Answer) -> None:
        self._connection.sendall(self.head(answer))
        if self.request.method != "HEAD":
            self._connection.sendall(answer.body)

    def head(self, answer: Answer) -> bytes:
        lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [f"content-type: {answer.type}", f"content-length: {len(answer.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1")

    def write(self, some: bytes) -> None:
        """Bytes as they are."""
        self._connection.sendall(some)

    def reset(self) -> None:
        """Break the connection off by a TCP reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._connection.detach())
        self.closed = True

    def wait(self, seconds: float) -> None:
        """Do nothing for so long, or until the proxy lets go of everything."""
        self._proxy.released.wait(seconds)


Fault = Callable[[Exchange], None]


@dataclass
class Rule:
    """Which requests a fault befalls. Everything that is given must hold."""

    fault: Fault
    path: str = ""
    """Regular expression, searched in path and query."""
    method: str = ""
    holds: bytes = b""
    """Must stand in the body."""
    times: int | None = None
    """Of the requests that it takes; None: all."""
    after: int = 0
    """So many requests pass first."""
    share: float = 1.0
    """Of the requests it takes it befalls this part, drawn by `draw`."""
    draw: random.Random = field(default_factory=lambda: random.Random(0))
    taken: int = 0
    applied: int = 0

    def takes(self, request: Request) -> bool:
        if self.times is not None and self.applied >= self.times:
            return False
        if self.method and request.method != self.method:
            return False
        if not re.search(self.path, request.path) or self.holds not in request.body:
            return False
        self.taken += 1
        if self.taken <= self.after or self.draw.random() >= self.share:
            return False
        self.applied += 1
        return True


class Proxy:
    """Use as a context: it listens inside, and lets go of everything that hangs at the end."""

    def __init__(self, upstream: str) -> None:
        """`upstream` is the address of the real server, `http://host:port` or with https."""
        self._upstream = urlsplit(upstream)
        self.seen: list[Request] = []
        """Every request that came, in order."""
        self.released = threading.Event()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def on(self, fault: Fault, path: str = "", **how: object) -> Rule:
        """Add a rule; of several that take a request the first one counts. Fields as in `Rule`."""
        rule = Rule(fault, path, **how)  # type: ignore[arg-type]
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Pass everything on from now; what hangs is let go."""
        with self._lock:
            self._rules.clear()
        self.released.set()
        self.released = threading.Event()

    @contextmanager
    def broken(self, fault: Fault, path: str = "", **how: object) -> Iterator[Rule]:
        """A rule for the time of a block."""
        rule = self.on(fault, path, **how)
        try:
            yield rule
        finally:
            self.clear()

    def connect(self) -> http.client.HTTPConnection:
        """To the real server. Its certificate is not looked at: it is on this machine."""
        if self._upstream.scheme == "https":
            trusting = ssl._create_unverified_context()
            return http.client.HTTPSConnection(self._upstream.netloc, timeout=UPSTREAM_S, context=trusting)
        return http.client.HTTPConnection(self._upstream.netloc, timeout=UPSTREAM_S)

    def fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            self.seen.append(request)
            return next((rule.fault for rule in self._rules if rule.takes(request)), None)

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, address: object) -> None:
        """A client that has left is no error."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(self.command, self.path, dict(self.headers), body)
            exchange = Exchange(proxy, self.connection, request)
            try:
                fault = proxy.fault_for(request)
                if fault is None:
                    exchange.send(exchange.forward())
                else:
                    fault(exchange)
            except OSError:
                exchange.closed = True
            if exchange.closed:
                self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    return Handler


@contextmanager
def deaf() -> Iterator[str]:
    """Address of a host that takes no connection and refuses none either, like one behind a dead switch."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    address = listening.getsockname()
    waiting = []
    for _ in range(4):  # the queue of those that wait is full after two
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(address)
        waiting.append(one)
    time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{address[1]}"
    finally:
        for one in (*waiting, listening):
            one.close()
