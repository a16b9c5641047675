"""A chat by an OpenAI-compatible server: what is asked, what is read, what a server can do wrong."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.chat import openai
from rag.chat.base import Ended, Limits
from rag.errors import GenerationUnavailable, SpecError
from rag.services import Service
from tests.contracts.chat import MESSAGES, SCHEMA, ChatContract
from tests.faults import kinds
from tests.faults.proxy import Answer, Exchange, Fault, Proxy
from tests.rag.chat import writer
from tests.rag.chat.writer import LIMITS, WORDS, Writer, chat_on, data, event, events, refuses, streams

TEXT = "".join(WORDS)
BYTES = b"".join(events(WORDS))
SLACK_S = 1.0
"""For a busy machine."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy("http://127.0.0.1:9") as running:
        yield running


def write(chat: openai.OpenAIChat, within_s: float = 10.0, **more: Any) -> tuple[str, Ended]:
    *pieces, ended = chat.stream(MESSAGES, LIMITS, deadline=time.monotonic() + within_s, **more)
    assert isinstance(ended, Ended)
    return "".join(map(str, pieces)), ended


def fails(proxy: Proxy, fault: Fault, within_s: float = 5.0) -> tuple[str, str]:
    """The text so far, and the sentence."""
    proxy.on(fault)
    text = ""
    with pytest.raises(GenerationUnavailable) as caught:
        for piece in chat_on(proxy).stream(MESSAGES, LIMITS, deadline=time.monotonic() + within_s):
            text += str(piece)
    assert str(caught.value).endswith(".")
    return text, str(caught.value)


class TestScripted(ChatContract):
    @pytest.fixture
    def chat(self, proxy: Proxy) -> openai.OpenAIChat:
        proxy.on(Writer(first_s=0.3, pause_s=0.02))
        return chat_on(proxy)


# --- What is asked ------------------------------------------------------------------------------------------


def test_the_request_has_one_shape(proxy: Proxy) -> None:
    server = Writer()
    proxy.on(server)
    chat = chat_on(proxy)
    limits = Limits(max_tokens=40, temperature=0.5, seed=9, schema=SCHEMA)
    list(chat.stream(MESSAGES, limits, deadline=time.monotonic() + 5, salt="an asker"))
    (asked,) = server.asked
    assert [(one.role, one.content) for one in asked.messages] == [(m.role, m.content) for m in MESSAGES]
    assert (asked.max_tokens, asked.temperature, asked.seed) == (40, 0.5, 9)
    assert asked.response_format is not None
    assert asked.response_format.json_schema.schema == SCHEMA
    assert asked.cache_salt
    assert "asker" not in asked.cache_salt


def test_each_asker_has_a_salt_of_the_own(proxy: Proxy) -> None:
    server = Writer()
    proxy.on(server)
    chat = chat_on(proxy)
    for salt in ("one", "one", "another", ""):
        write(chat, salt=salt)
    one, again, another, none = (asked.cache_salt for asked in server.asked)
    assert one == again != another
    assert none is None


@pytest.mark.parametrize(
    ("owned_by", "told", "sent"),
    [("vllm", None, True), ("somebody", None, False), ("somebody", True, True), ("vllm", False, False)],
)
def test_a_salt_is_sent_to_who_knows_it(owned_by: str, told: bool | None, sent: bool, proxy: Proxy) -> None:
    server = Writer(owned_by=owned_by)
    proxy.on(server)
    write(chat_on(proxy, cache_salt=told), salt="one")
    assert bool(server.asked[0].cache_salt) == sent


def test_the_key_is_sent(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_THE_TESTS", "sk-1")
    proxy.on(Writer())
    write(chat_on(proxy, key_env="KEY_OF_THE_TESTS"))
    assert {name.lower(): v for name, v in proxy.seen[-1].headers.items()}["authorization"] == "Bearer sk-1"


def test_a_service_of_another_kind_is_refused() -> None:
    with pytest.raises(SpecError, match="dialect 'openai', not 'tei'"):
        openai.connect(Service(dialect="tei", url="http://host"), "m")
    with pytest.raises(SpecError, match="the model is missing"):
        openai.connect(Service(dialect="openai", url="http://host"), "")


# --- What is read -------------------------------------------------------------------------------------------


def test_what_it_took_is_told(proxy: Proxy) -> None:
    proxy.on(Writer(pause_s=0.02))
    text, ended = write(chat_on(proxy, usd_per_million_tokens=1.0, usd_per_million_written=10.0))
    assert text == TEXT
    assert (ended.reason, ended.prompt_tokens, ended.completion_tokens) == ("stop", 30, 8)
    assert ended.cached_tokens == 16
    assert 5 < ended.tokens_per_s < 55, "seven pauses of 20 ms at least"
    assert ended.usd == pytest.approx((30 * 1 + 8 * 10) / 1e6)
    assert ended.server == "", "there is only one"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_however_the_bytes_are_cut(size: int, proxy: Proxy) -> None:
    proxy.on(streams(*(BYTES[first : first + size] for first in range(0, len(BYTES), size))))
    assert write(chat_on(proxy))[0] == TEXT


FORMS: dict[str, bytes] = {
    "CRLF": BYTES.replace(b"\n", b"\r\n"),
    "CR": BYTES.replace(b"\n", b"\r"),
    "comments": BYTES.replace(b"\n\n", b"\n\n: OPENROUTER PROCESSING\n\n"),
    "no space": BYTES.replace(b"data: ", b"data:"),
    "fields around": BYTES.replace(b"data: ", b"event: message\nid: 1\ndata: "),
    "two lines of data": BYTES.replace(b'data: {"id"', b'data: {\ndata: "id"'),
    "no mark of the end": BYTES.replace(b"data: [DONE]\n\n", b""),
    "no usage": b"".join(piece for piece in events(WORDS) if b'"choices": []' not in piece),
    "more after the mark": BYTES + event(delta={"content": "and lies"}),
    "content that is null": event(delta={"role": "assistant", "content": None}) + BYTES,
    "a choice without delta": event(finish_reason=None) + BYTES,
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_that_servers_use(form: str, proxy: Proxy) -> None:
    proxy.on(streams(FORMS[form]))
    text, ended = write(chat_on(proxy))
    assert (text, ended.reason) == (TEXT, "stop")


def test_the_limit_of_tokens_is_told(proxy: Proxy) -> None:
    proxy.on(Writer(words=["word "] * 200))
    assert write(chat_on(proxy))[1].reason == "length"


def test_a_connection_is_kept(proxy: Proxy) -> None:
    places: list[object] = []
    server = Writer()

    def fault(exchange: Exchange) -> None:
        places.append(exchange._connection.getpeername())
        server(exchange)

    proxy.on(fault)
    chat = chat_on(proxy)
    for _ in range(3):
        write(chat)
    assert len(set(places)) == 1


def test_tokens_are_counted_by_the_server_once(proxy: Proxy) -> None:
    proxy.on(Writer())
    chat = chat_on(proxy)
    assert chat.count(["one two three", "one", "one two three"]) == [3, 1, 3]
    assert [seen.path for seen in proxy.seen] == ["/tokenize"] * 2
    assert chat.context_tokens == 4096


def test_without_a_tokenizer_the_number_is_not_too_small(proxy: Proxy) -> None:
    proxy.on(refuses(404))
    chat = chat_on(proxy)
    assert chat.count(["the ferry leaves at 7:00", "", "早上好"]) == [13, 0, 9]
    assert chat.count(["another"]) == [4]
    assert len(proxy.seen) == 1, "it is not asked each time"
    assert chat.context_tokens == 0


# --- What a server can do wrong -----------------------------------------------------------------------------

FIRST = event(delta={"content": "The ferry"})
HALF = FIRST + event(delta={"content": " leaves"})
SO_FAR = "The ferry leaves"
MIDDLE: dict[str, tuple[Fault, str]] = {
    "ends": (streams(HALF), "broke off in the middle"),
    "ends with a mark, no text": (streams(b"data: [DONE]\n\n"), "broke off in the middle"),
    "reset": (streams(HALF, end=lambda exchange: exchange.reset()), "broke off the connection"),
    "error": (streams(HALF, data({"error": {"message": "CUDA", "code": 500}})), "reported an error"),
    "older error": (
        streams(HALF, data({"object": "error", "message": "x", "code": 400})),
        "reported an error",
    ),
    "no JSON": (streams(HALF, b"data: {nothing\n\n"), "in another format"),
    "other JSON": (streams(HALF, data({"choices": [{"delta": {"content": 7}}]})), "in another format"),
    "no UTF-8": (streams(HALF, b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'), "in another format"),
    "negative": (streams(HALF, data({"usage": {"prompt_tokens": -1}})), "in another format"),
    "filtered": (streams(HALF, event(delta={}, finish_reason="content_filter")), "a reason of its own"),
    "much": (streams(HALF, event(delta={"content": "x" * 20_000})), "writes more than it was allowed"),
}


@pytest.mark.parametrize("what", MIDDLE)
def test_what_was_written_before_stays(what: str, proxy: Proxy) -> None:
    fault, sentence = MIDDLE[what]
    text, said = fails(proxy, fault)
    assert sentence in said
    assert text == ("" if what == "ends with a mark, no text" else SO_FAR)


WHOLE: dict[str, tuple[Fault, str]] = {
    "key": (refuses(401), "does not accept the key"),
    "model": (refuses(404), "does not know this address or this model"),
    "too long": (refuses(400), "refused the request"),
    "a page": (kinds.login_page(), "in another format"),
    "not streamed": (
        lambda exchange: exchange.send(Answer(200, BYTES, "application/json")),
        "another format",
    ),
    "failed": (refuses(500), r"failed \(HTTP 500\)"),
    "reset": (kinds.reset_before(), "broke off the connection"),
}


@pytest.mark.parametrize("what", WHOLE)
def test_no_answer_at_all_is_said_at_once(what: str, proxy: Proxy) -> None:
    fault, sentence = WHOLE[what]
    began = time.monotonic()
    text, said = fails(proxy, fault)
    assert text == ""
    assert sentence.replace("\\", "") in said
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "fault",
    [
        kinds.hang(),
        streams(end=lambda exchange: exchange.wait(60)),
        streams(HALF, end=lambda exchange: exchange.wait(60)),
        Writer(words=["word "] * 1000, pause_s=0.05),
    ],
    ids=["not a byte", "no token", "silent in the middle", "slow"],
)
def test_a_deadline_is_kept_whatever_the_server_does(fault: Fault, proxy: Proxy) -> None:
    began = time.monotonic()
    _, said = fails(proxy, fault, within_s=0.6)
    assert said == "The service (openai) gave no answer in time."
    assert 0.5 < time.monotonic() - began < 0.6 + SLACK_S


def test_bytes_that_drip_have_their_deadline(proxy: Proxy) -> None:
    def fault(exchange: Exchange) -> None:
        for byte in writer.HEAD * 100:
            exchange.write(bytes([byte]))
            exchange.wait(0.05)

    began = time.monotonic()
    fails(proxy, fault, within_s=0.6)
    assert time.monotonic() - began < 0.6 + SLACK_S


def test_a_reply_that_never_ends_is_ended(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.exchange.MAX_REPLY", 100_000)

    def fault(exchange: Exchange) -> None:
        exchange.write(writer.HEAD + b"\r\n")
        while True:
            exchange.write(b": nothing\n" * 100)

    _, said = fails(proxy, fault)
    assert "longer than any can be" in said


def test_a_busy_server_is_asked_again_when_it_said(proxy: Proxy) -> None:
    proxy.on(refuses(429, retry_after="1"), "completions", times=1)
    proxy.on(Writer())
    began = time.monotonic()
    assert write(chat_on(proxy))[0] == TEXT
    assert time.monotonic() - began >= 1


def test_a_server_that_wants_to_be_left_alone_for_too_long_is_not_waited_for(proxy: Proxy) -> None:
    began = time.monotonic()
    _, said = fails(proxy, refuses(429, retry_after="30"), within_s=2)
    assert "is asked too often" in said
    assert time.monotonic() - began < 1


# --- Who leaves ---------------------------------------------------------------------------------------------


def until(holds: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("first_s", "pieces"), [(30.0, 1), (0.0, 3)], ids=["before a token", "in the middle"]
)
def test_leaving_ends_the_writing(first_s: float, pieces: int, proxy: Proxy) -> None:
    server = Writer(words=["word "] * 90, first_s=first_s, pause_s=0.2)
    proxy.on(server)
    writing = chat_on(proxy).stream(MESSAGES, LIMITS, deadline=time.monotonic() + 60)
    for _ in range(pieces):
        next(writing)
    until(lambda: server.writing == 1, 2)
    writing.close()
    assert until(lambda: server.writing == 0, 1) < 1


def test_leaving_before_the_first_step_asks_for_nothing(proxy: Proxy) -> None:
    proxy.on(Writer())
    chat_on(proxy).stream(MESSAGES, LIMITS, deadline=time.monotonic() + 60).close()
    assert proxy.seen == []


# --- Whether it lives ---------------------------------------------------------------------------------------


def answers(body: object) -> Fault:
    return lambda exchange: writer.send(exchange, 200, body)


def test_a_server_lives_that_writes_a_token(proxy: Proxy) -> None:
    proxy.on(answers({"choices": [{"message": {"content": "Hi"}}]}))
    assert openai.alive(writer.service(proxy.url), "m", deadline=time.monotonic() + 5) == ("",)
    assert json.loads(proxy.seen[0].body)["max_tokens"] == 1


def test_what_is_wrong_with_each_server_is_said(proxy: Proxy) -> None:
    with Proxy("http://127.0.0.1:9") as other, Proxy("http://127.0.0.1:9") as third:
        proxy.on(kinds.hang())
        other.on(answers({"choices": []}))
        third.on(answers([]))
        service = writer.service(proxy.url, other.url, third.url)
        began = time.monotonic()
        found = openai.alive(service, "m", deadline=began + 0.5)
        assert time.monotonic() - began < 0.5 + SLACK_S
    assert found == (
        "The service (openai) gave no answer in time.",
        "The service (openai) wrote nothing.",
        "The service (openai) answered in another format.",
    )
