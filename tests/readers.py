"""Readers of answers who leave, or read slowly: sockets, no browser."""

import asyncio
import random
import socket
import statistics
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from tests.faults.writer import Asked


@dataclass(slots=True)
class Leaver:
    """One reader: when the first of what was waited for came, and when the connection was closed."""

    number: int
    left_at: float
    saw: bool


def request(url: str, question: str) -> bytes:
    host = urlsplit(url).netloc
    return f"GET /ask/stream?q={quote(question)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def question(number: int) -> str:
    return f"What does the handbook say of reader {number:05d} here?"


async def _leave(url: str, number: int, wait_for: bytes, within_s: float, patience_s: float) -> Leaver:
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    saw = False
    try:
        writer.write(request(url, question(number)))
        await writer.drain()
        seen = b""
        async with asyncio.timeout(patience_s):
            while wait_for not in seen and (piece := await reader.read(65536)):
                seen = seen[-100:] + piece
        saw = wait_for in seen
        await asyncio.sleep(random.uniform(0, within_s))
    except (TimeoutError, ConnectionError):
        pass
    left_at = time.monotonic()
    writer.transport.abort() if number % 2 else writer.close()  # by a reset, and in good order
    return Leaver(number, left_at, saw)


def leave(
    url: str, numbers: Sequence[int], *, wait_for: bytes, within_s: float = 1.0, patience_s: float = 60.0
) -> list[Leaver]:
    """Readers who ask at the same time and each leave a while after they read `wait_for`."""

    async def all_of_them() -> list[Leaver]:
        return await asyncio.gather(*(_leave(url, n, wait_for, within_s, patience_s) for n in numbers))

    return asyncio.run(all_of_them())


def lateness(leavers: Sequence[Leaver], asked: Sequence[Asked]) -> list[float]:
    """Seconds from a reader's leaving to the end of the request for his answer, of those that had begun.

    Infinite where it was written to its end, or goes on.
    """
    of = {one.prompt.split("of reader ")[1][:5]: one for one in asked if "of reader " in one.prompt}
    late = []
    for leaver in leavers:
        one = of.get(f"{leaver.number:05d}")
        if one is not None:
            late.append(float("inf") if one.gone_at is None else max(0.0, one.gone_at - leaver.left_at))
    return late


class SlowReaders:
    """Readers that ask and then take four bytes a second each. Use with `with`."""

    def __init__(self, url: str, count: int, *, receive: int = 2048) -> None:
        self.sockets = []
        where = urlsplit(url)
        for number in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            sock.connect((where.hostname, where.port))
            sock.sendall(request(url, question(number)))
            sock.setblocking(False)
            self.sockets.append(sock)
        self._last = 0.0

    def __enter__(self) -> "SlowReaders":
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.sockets:
            sock.close()

    def read(self) -> None:
        """Take some bytes each, if a second is over. To be called between other things."""
        if time.monotonic() - self._last < 1.0:
            return
        self._last = time.monotonic()
        for sock in self.sockets:
            try:
                sock.recv(4)
            except (BlockingIOError, ConnectionError):
                continue


def search_ms(
    url: str, times: int, slow: SlowReaders | None = None, *, timeout: float = 60.0, for_s: float = 30.0
) -> list[float]:
    """Milliseconds of searches, one after another; none is begun after `for_s`."""
    took: list[float] = []
    until = time.monotonic() + for_s
    for number in range(times):
        if time.monotonic() >= until:
            break
        body = f'{{"question": "Where does the manual speak of subject {number}?"}}'.encode()
        asked = urllib.request.Request(
            f"{url}/api/v1/search", data=body, headers={"content-type": "application/json"}
        )
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(asked, timeout=timeout) as reply:
                reply.read()
        except TimeoutError:
            pass
        took.append(1000 * (time.perf_counter() - began))
        if slow is not None:
            slow.read()
    return took


def p50(values: Sequence[float]) -> float:
    return statistics.median(values)
