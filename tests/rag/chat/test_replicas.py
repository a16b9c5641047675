"""Several servers with the same model: which is asked, and what happens when one does not answer."""

import socket
import time
from collections.abc import Iterator

import pytest

from rag.chat.openai import OpenAIChat, connect
from rag.chat.replicas import REST_S, Replicas
from rag.errors import GenerationUnavailable
from rag.exchange import ServiceUnavailable
from tests.contracts.chat import MESSAGES
from tests.faults import kinds
from tests.faults.proxy import Fault, Proxy
from tests.rag.chat.test_openai import TEXT, write
from tests.rag.chat.writer import (
    LIMITS,
    MODEL,
    Writer,
    chat_on,
    data,
    event,
    refuses,
    service,
    streams,
)


@pytest.fixture
def two() -> Iterator[tuple[Proxy, Proxy]]:
    with Proxy("http://127.0.0.1:9") as one, Proxy("http://127.0.0.1:9") as other:
        yield one, other


def completions(proxy: Proxy) -> int:
    return sum(seen.path == "/v1/chat/completions" for seen in proxy.seen)


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def asked_first(chat: OpenAIChat, number: int) -> str:
    """A salt whose answers that replica writes."""
    return next(s for s in map(str, range(99)) if chat._replicas.order(s)[0].number == number)


FAULTS: dict[str, Fault] = {
    "500": refuses(500),
    "503": refuses(503),
    "429": refuses(429, retry_after="30"),
    "reset": kinds.reset_before(),
    "a page": kinds.login_page(),
    "an error first": streams(data({"error": {"message": "x", "code": 500}})),
    "nothing": streams(),
    "silent": kinds.hang(),
}


@pytest.mark.parametrize("what", FAULTS)
def test_one_that_fails_before_its_first_token_is_passed_over(what: str, two: tuple[Proxy, Proxy]) -> None:
    one, other = two
    one.on(FAULTS[what])
    other.on(Writer())
    chat = chat_on(one, other, timeout_ms=500)
    salt = asked_first(chat, 1)
    text, ended = write(chat, salt=salt)
    assert (text, ended.server) == (TEXT, "2")
    tried = completions(one)
    assert tried >= 1
    assert write(chat, salt=salt)[1].server == "2"
    assert completions(one) == tried, "it is left alone for a while"


def test_one_where_nobody_listens_is_passed_over_at_once(two: tuple[Proxy, Proxy]) -> None:
    two[0].on(Writer())
    chat = connect(service(closed_port(), two[0].url), MODEL)
    began = time.monotonic()
    text, ended = write(chat, salt=asked_first(chat, 1))
    assert (text, ended.server) == (TEXT, "2")
    assert time.monotonic() - began < 1


def test_what_was_begun_is_not_begun_again(two: tuple[Proxy, Proxy]) -> None:
    one, other = two
    one.on(streams(event(delta={"content": "The"}), end=lambda exchange: exchange.reset()))
    other.on(Writer())
    chat = chat_on(one, other, cache_salt=False)
    text = ""
    with pytest.raises(GenerationUnavailable):
        for piece in chat.stream(MESSAGES, LIMITS, deadline=time.monotonic() + 5, salt=asked_first(chat, 1)):
            text += str(piece)
    assert text == "The"
    assert completions(other) == 0


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_what_no_server_would_take_is_not_sent_to_the_next(status: int, two: tuple[Proxy, Proxy]) -> None:
    one, other = two
    one.on(refuses(status))
    other.on(Writer())
    chat = chat_on(one, other, cache_salt=False)
    with pytest.raises(GenerationUnavailable):
        write(chat, salt=asked_first(chat, 1))
    assert completions(other) == 0


def test_when_all_fail_the_last_reason_is_said(two: tuple[Proxy, Proxy]) -> None:
    for proxy in two:
        proxy.on(refuses(500))
    began = time.monotonic()
    with pytest.raises(GenerationUnavailable, match=r"failed \(HTTP 500\)"):
        write(chat_on(*two))
    assert time.monotonic() - began < 1
    assert [completions(proxy) for proxy in two] == [1, 1]


def test_without_a_salt_they_take_turns(two: tuple[Proxy, Proxy]) -> None:
    for proxy in two:
        proxy.on(Writer())
    chat = chat_on(*two)
    assert {write(chat)[1].server for _ in range(4)} == {"1", "2"}
    assert [completions(proxy) for proxy in two] == [2, 2]


def test_the_less_busy_is_asked(two: tuple[Proxy, Proxy]) -> None:
    for proxy in two:
        proxy.on(Writer(words=["word "] * 20, pause_s=0.1))
    chat = chat_on(*two, cache_salt=False)
    salt = asked_first(chat, 1)
    writing = chat.stream(MESSAGES, LIMITS, deadline=time.monotonic() + 20, salt=salt)
    next(writing)
    assert chat._replicas.order(salt)[0].number == 2
    writing.close()
    assert chat._replicas.order(salt)[0].number == 1


# --- The order alone ----------------------------------------------------------------------------------------


def test_a_salt_has_its_place_and_salts_are_spread() -> None:
    replicas = Replicas(service("http://a", "http://b", "http://c"))
    first = {str(n): replicas.order(str(n))[0].number for n in range(60)}
    assert first == {str(n): replicas.order(str(n))[0].number for n in range(60)}
    assert set(first.values()) == {1, 2, 3}


def test_one_that_rests_comes_last_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = Replicas(service("http://a", "http://b"))
    one = next(replica for replica in replicas.all if replica.number == 1)
    assert replicas.failed(one, ServiceUnavailable("x", status=503))
    assert [replica.number for replica in replicas.order("")] == [2, 1]
    assert [replica.number for replica in replicas.order("")] == [2, 1]
    now = time.monotonic() + REST_S + 1
    monkeypatch.setattr("time.monotonic", lambda: now)
    assert {replicas.order("")[0].number for _ in range(2)} == {1, 2}


def test_the_same_address_twice_is_one() -> None:
    assert len(Replicas(service("http://a", "http://a")).all) == 1
