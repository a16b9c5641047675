"""Dialects are frozen: each sends exactly what it sent when it was written, and reads what came back then.

`exchanges.json` holds one exchange for each. Those of vLLM and infinity were recorded from the real servers;
the others are in the published format, and their requests and replies were passed by the provider's own
client library where there is one. Questions and texts are ours.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from rag.rerank.dialects import base

EXCHANGES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("exchanges.json").read_text("utf-8")
)


def texts_of(request: dict[str, Any]) -> list[str]:
    names = ("documents", "texts", "input", "text_2")
    return next(request[name] for name in names if name in request)


def test_there_is_an_exchange_for_each_dialect() -> None:
    assert set(EXCHANGES) == set(base.names())


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_the_request_is_the_one_that_was_published(name: str) -> None:
    exchange, dialect = EXCHANGES[name], base.named(name)
    request = exchange["request"]
    model, query = request.get("model", ""), request.get("query") or request["text_1"]
    assert exchange["path"] == dialect.PATH
    assert dialect.body(model, query, texts_of(request), {}) == request


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_the_reply_is_read_as_it_was_published(name: str) -> None:
    exchange = EXCHANGES[name]
    scores = exchange["scores"]
    reply = base.named(name).read(json.dumps(exchange["reply"]).encode(), len(scores))
    assert dict(reply.scores) == dict(enumerate(scores))
    assert (reply.tokens, reply.searches) == (exchange["tokens"], exchange["searches"])


@pytest.mark.parametrize("name", sorted(EXCHANGES))
def test_fields_that_a_provider_adds_are_passed_over(name: str) -> None:
    exchange = EXCHANGES[name]
    reply = _with_more(exchange["reply"])
    read = base.named(name).read(json.dumps(reply).encode(), len(exchange["scores"]))
    assert dict(read.scores) == dict(enumerate(exchange["scores"]))


def _with_more(value: Any) -> Any:
    if isinstance(value, dict):
        return {"new": {"more": [1]}, **{key: _with_more(one) for key, one in value.items()}}
    return [_with_more(one) for one in value] if isinstance(value, list) else value
