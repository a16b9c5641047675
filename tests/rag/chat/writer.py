"""A stand-in of a server that streams a chat, on loopback: strict about requests, scripted in its answers."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from rag.chat.base import Limits
from rag.chat.openai import OpenAIChat, connect
from rag.services import Service
from tests.faults.proxy import Answer, Exchange, Fault, Proxy

MODEL = "the-model"
WORDS = ("The", " ferry", " leaves", " at", " seven", " — ", "🛥", ".")
PROMPT_TOKENS, CACHED_TOKENS = 30, 16
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"


class Message(Struct, forbid_unknown_fields=True):
    role: str
    content: str


class Schema(Struct, forbid_unknown_fields=True):
    name: str
    schema: dict[str, Any]
    strict: bool


class Format(Struct, forbid_unknown_fields=True):
    type: str
    json_schema: Schema


class Asked(Struct, forbid_unknown_fields=True):
    """The one shape of our requests, as the reference of `POST /chat/completions` names its fields."""

    model: str
    messages: list[Message]
    max_tokens: int
    temperature: float
    seed: int
    stream: bool
    stream_options: dict[str, bool]
    response_format: Format | None = None
    cache_salt: str | None = None
    """Of vLLM."""


@dataclass
class Writer:
    """One server: what it saw, and who left."""

    words: Sequence[str] = WORDS
    pause_s: float = 0.0
    first_s: float = 0.0
    owned_by: str = "vllm"
    asked: list[Asked] = field(default_factory=list)
    left_after_s: list[float] = field(default_factory=list)
    """Of each that left before the end: how long after the last thing it was sent that was seen."""
    writing: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.request.path
        if path == "/v1/models":
            one = {"id": MODEL, "object": "model", "owned_by": self.owned_by, "max_model_len": 4096}
            return send(exchange, 200, {"object": "list", "data": [one]})
        if path == "/tokenize":
            words = json.loads(exchange.request.body)["prompt"].split()
            return send(exchange, 200, {"count": len(words), "max_model_len": 4096, "tokens": []})
        assert path == "/v1/chat/completions"
        asked = msgspec.json.decode(exchange.request.body, type=Asked)
        assert asked.model == MODEL
        assert asked.stream
        assert asked.stream_options == {"include_usage": True}
        self.asked.append(asked)
        with self._lock:
            self.writing += 1
        try:
            self._write(exchange, asked)
        except OSError:
            exchange.closed = True
        finally:
            with self._lock:
                self.writing -= 1

    def _write(self, exchange: Exchange, asked: Asked) -> None:
        if watched(exchange, self.first_s):
            exchange.closed = True
            return
        exchange.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        words = ['{"answer": "', "at seven", '"}'] if asked.response_format else list(self.words)
        for piece in events(words, asked.max_tokens):
            exchange.write(chunk(piece))
            if self.pause_s and watched(exchange, self.pause_s):
                exchange.closed = True
                return
        exchange.write(b"0\r\n\r\n")


def watched(exchange: Exchange, seconds: float) -> bool:
    """Wait so long; True as soon as the client has closed the connection."""
    until = time.monotonic() + seconds
    connection = exchange._connection
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(1):
                return True
        except TimeoutError:
            break
        except OSError:
            return True
    connection.settimeout(None)
    return False


def events(words: Iterable[str], max_tokens: int = 1000) -> Iterator[bytes]:
    """What vLLM sends: a role, the text, the reason, the usage, and the mark of the end."""
    words = list(words)
    yield event(delta={"role": "assistant", "content": ""})
    for word in words[:max_tokens]:
        yield event(delta={"content": word})
    yield event(delta={"content": ""}, finish_reason="length" if len(words) > max_tokens else "stop")
    yield data({"choices": [], "usage": usage(min(len(words), max_tokens))})
    yield b"data: [DONE]\n\n"


def usage(written: int) -> dict[str, Any]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "total_tokens": PROMPT_TOKENS + written,
        "completion_tokens": written,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    }


def event(**choice: Any) -> bytes:
    told = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    one = {"index": 0, "logprobs": None, "finish_reason": None, **choice}
    return data({**told, "choices": [one], "usage": None})


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def send(exchange: Exchange, status: int, body: object, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    exchange.send(Answer(status, json.dumps(body).encode(), "application/json", named))


def refuses(status: int, **headers: str) -> Fault:
    return lambda exchange: send(exchange, status, {"error": {"message": "no", "code": status}}, **headers)


def streams(*pieces: bytes, end: Callable[[Exchange], None] | None = None) -> Fault:
    """These bytes as the body of a stream, each in a chunk of its own; then its end, or what `end` does."""

    def fault(exchange: Exchange) -> None:
        exchange.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            exchange.write(chunk(piece))
        if end is not None:
            end(exchange)
        else:
            exchange.write(b"0\r\n\r\n")

    return fault


def service(*urls: str, **more: Any) -> Service:
    first, *others = (f"{url}/v1" for url in urls)
    return Service(dialect="openai", url=first, urls=tuple(others), **more)


def chat_on(*proxies: Proxy, **more: Any) -> OpenAIChat:
    return connect(service(*(proxy.url for proxy in proxies), **more), MODEL)


LIMITS = Limits(max_tokens=100)
