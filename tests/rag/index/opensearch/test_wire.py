"""A request ends in time, whatever is at the other end of the wire."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from rag.deadline import left, within
from rag.errors import IndexUnavailable
from rag.index.opensearch import Address, Cluster

TIMEOUT_S = 0.4
SLACK_S = 0.25
"""For a busy machine."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Talk = Callable[[socket.socket], None]


@contextmanager
def server(talk: Talk) -> Iterator[str]:
    """Every connection is handled by `talk`, after its request's head was read."""
    ended = threading.Event()

    def handle(connection: socket.socket) -> None:
        with connection:
            try:
                while not ended.is_set() and connection.recv(65_536):
                    talk(connection)
            except OSError:
                return

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()


def drip(connection: socket.socket, some: bytes) -> None:
    for byte in some:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def answer(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


TALKS: dict[str, Talk] = {
    "nothing": lambda connection: time.sleep(3),
    "a head, byte by byte": lambda connection: drip(connection, HEAD * 10),
    "a body, byte by byte": lambda connection: drip(connection, answer(b'{"a": 1}' + b" " * 500)),
    "a body without an end": lambda connection: drip(connection, HEAD + b"\r\n" + b" " * 500),
    "pieces without an end": lambda connection: drip(
        connection, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 100
    ),
}


@pytest.mark.parametrize("name", TALKS)
def test_a_server_that_drips_does_not_win(name: str) -> None:
    with server(TALKS[name]) as url:
        cluster = Cluster(Address(urls=(url,), timeout_s=TIMEOUT_S))
        began = time.monotonic()
        with pytest.raises(IndexUnavailable, match=r"in time|cannot be reached"):
            cluster.call(lambda client: client.info())
        assert time.monotonic() - began < TIMEOUT_S + SLACK_S


def test_a_slow_answer_inside_the_time_is_read() -> None:
    slow = answer(b'{"a":1}')
    with server(lambda connection: (connection.sendall(slow[:-6]), drip(connection, slow[-6:]))[0]) as url:
        assert Cluster(Address(urls=(url,), timeout_s=5)).call(lambda client: client.info()) == {"a": 1}


def test_within_the_shorter_time_counts() -> None:
    with server(TALKS["nothing"]) as url:
        cluster = Cluster(Address(urls=(url,), timeout_s=30))
        began = time.monotonic()
        with within(began + TIMEOUT_S), within(began + 60), pytest.raises(IndexUnavailable):
            cluster.call(lambda client: client.info())
        assert time.monotonic() - began < TIMEOUT_S + SLACK_S
    assert left() == float("inf")


def test_a_time_that_is_over_asks_nobody() -> None:
    asked = []
    with server(lambda connection: asked.append(1)) as url:
        cluster = Cluster(Address(urls=(url,)))
        with within(time.monotonic() - 1), pytest.raises(IndexUnavailable, match="in time"):
            cluster.call(lambda client: client.info())
    assert not asked


@pytest.mark.parametrize("status", ["429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable"])
def test_reads_are_tried_again_while_there_is_time(status: str) -> None:
    answers = [b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n{}" % status.encode()] * 2 + [answer(b'{"a":1}')]
    with server(lambda connection: connection.sendall(answers.pop(0))) as url:
        cluster = Cluster(Address(urls=(url,)))
        found = cluster.patiently(lambda: cluster.call(lambda client: client.info()), time.monotonic() + 3)
    assert found == {"a": 1}


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "500 Broken"])
def test_what_would_fail_again_is_not_tried_again(status: str) -> None:
    asked = []

    def talk(connection: socket.socket) -> None:
        asked.append(1)
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n{}" % status.encode())

    with server(talk) as url:
        cluster = Cluster(Address(urls=(url,)))
        with pytest.raises(IndexUnavailable):
            cluster.patiently(lambda: cluster.call(lambda client: client.info()), time.monotonic() + 3)
    assert len(asked) == 1


def test_another_node_answers_for_one_that_hangs() -> None:
    with server(TALKS["nothing"]) as deaf, server(lambda c: c.sendall(answer(b'{"a":1}'))) as well:
        for urls in ((deaf, well), (well, deaf)):
            cluster = Cluster(Address(urls=urls, timeout_s=2))
            for _ in range(4):
                began = time.monotonic()
                ask = lambda of=cluster: of.call(lambda client: client.info())  # noqa: E731
                assert cluster.patiently(ask, began + 0.8) == {"a": 1}
                assert time.monotonic() - began < 0.8 + SLACK_S


def test_a_forked_process_has_connections_of_its_own() -> None:
    ports = []

    def talk(connection: socket.socket) -> None:
        ports.append(connection.getpeername()[1])
        connection.sendall(answer(b'{"a":1}'))

    with server(talk) as url:
        cluster = Cluster(Address(urls=(url,)))
        for _ in range(2):
            cluster.call(lambda client: client.info())
        pid = os.fork()
        if not pid:
            cluster.call(lambda client: client.info())
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        cluster.call(lambda client: client.info())
    assert ports[0] == ports[1] == ports[3] != ports[2]


def test_answers_that_are_no_json_are_an_error_of_the_index() -> None:
    for body in (b"<html>", b'{"a": ', b"\xff\xfe", b"[" * 100_000):
        talk = partial(_say, answer(body))
        with server(talk) as url, pytest.raises(IndexUnavailable):
            Cluster(Address(urls=(url,))).call(lambda client: client.info())


def _say(some: bytes, connection: socket.socket) -> None:
    connection.sendall(some)
