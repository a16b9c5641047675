"""A stand-in of an OpenAI-compatible server on loopback: strict about requests, scripted in its answers."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from rag.services import Service
from tests.faults.proxy import Answer, Exchange, Fault

MODEL = "the-model"
Messages = Sequence[Mapping[str, str]]
NUMBERED = re.compile(r"^\[(\d+)\] (.*)$", re.MULTILINE)
TOKENS = 7
"""Of every request and of every answer."""


class Message(Struct, forbid_unknown_fields=True):
    role: str
    content: str


class Request(Struct, forbid_unknown_fields=True):
    """What is asked here of `POST /chat/completions`, as its reference names it."""

    model: str
    messages: list[Message]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    logprobs: bool = False
    top_logprobs: int | None = None


def says(answer: Callable[[Messages], str | Mapping[str, float]]) -> Fault:
    """A server whose model says what `answer` gives: words, or the likeliest first tokens."""

    def fault(exchange: Exchange) -> None:
        asked = msgspec.json.decode(exchange.request.body, type=Request)
        assert exchange.request.path == "/v1/chat/completions"
        assert asked.model == MODEL
        said = answer([{"role": one.role, "content": one.content} for one in asked.messages])
        exchange.send(Answer(200, json.dumps(reply(said)).encode(), "application/json"))

    return fault


def reply(said: str | Mapping[str, float]) -> dict[str, Any]:
    """With all the fields that the reference lists."""
    tokens: list[dict[str, Any]] | None = None
    if not isinstance(said, str):
        top = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in said.items()]
        tokens = [{**top[0], "top_logprobs": top}] if top else []
        said = top[0]["token"] if top else ""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": said, "refusal": None, "annotations": []},
        "logprobs": None if tokens is None else {"content": tokens, "refusal": None},
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": TOKENS, "completion_tokens": TOKENS, "total_tokens": 2 * TOKENS}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [choice],
        "usage": usage,
        "system_fingerprint": None,
    }


def service(url: str, **more: Any) -> Service:
    return Service(dialect="openai", url=f"{url}/v1", **more)


def numbered(messages: Messages) -> list[str]:
    """The passages of a listwise prompt in their order."""
    found = [match for one in messages if one["role"] == "user" for match in NUMBERED.findall(one["content"])]
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    return [text for _, text in found]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def common(query: str, text: str) -> int:
    """How many words they share."""
    return len(words(query) & words(text))
