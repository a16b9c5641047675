import math

import msgspec
import pytest

from rag.rerank.message import (
    BadMessage,
    Beat,
    Job,
    Refused,
    Reply,
    Scored,
    broker_url,
    decode,
    encode,
    from_plain,
)

JOB = Job(
    id="7", query="why?", texts=("a", "字\0"), reranker="m:1:logit", deadline=12.5, reply_to="sieve:reply:7"
)
PLAIN = msgspec.json.decode(encode(JOB))


def test_a_job_travels_as_plain_json() -> None:
    assert PLAIN == {
        "id": "7",
        "query": "why?",
        "texts": ["a", "字\0"],
        "reranker": "m:1:logit",
        "deadline": 12.5,
        "reply_to": "sieve:reply:7",
    }
    assert from_plain(PLAIN) == JOB


@pytest.mark.parametrize(
    "reply",
    [
        Scored(id="7", kind="logit", values=(1.5, None), compute_ms=3.0),
        Refused(id="7", code="too_late", sentence="Too late."),
    ],
)
def test_a_reply_comes_back_as_it_was(reply: Reply) -> None:
    assert decode(encode(reply), Reply) == reply  # type: ignore[arg-type]


def test_where_time_ran_out_stands_null() -> None:
    assert b'"values":[1.5,null]' in encode(Scored(id="7", kind="logit", values=(1.5, None), compute_ms=3.0))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        PLAIN | {"more": 1},
        PLAIN | {"texts": "a"},
        PLAIN | {"deadline": "soon"},
        {k: v for k, v in PLAIN.items() if k != "reply_to"},
    ],
)
def test_what_is_no_job_is_refused(value: object) -> None:
    with pytest.raises(BadMessage):
        from_plain(value)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"type":"scored"}', b'{"type":"other","id":"7"}', b"\xff"])
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(data, Reply)  # type: ignore[arg-type]


def test_a_number_that_is_none_does_not_come_through_as_one() -> None:
    data = encode(Scored(id="7", kind="logit", values=(math.nan, math.inf), compute_ms=3.0))
    assert decode(data, Scored).values == (None, None)


def test_a_sign_of_life_is_strict_too() -> None:
    beat = Beat(kind="rerank", host="h", pid=1, started=1.0, models=("m",))
    assert decode(encode(beat), Beat) == beat
    with pytest.raises(BadMessage):
        decode(encode(beat).replace(b'"pid"', b'"pud"'), Beat)


def test_the_two_spellings_of_a_socket() -> None:
    assert broker_url("unix:///run/queue.sock") == "redis+socket:///run/queue.sock"
    assert broker_url("redis://host:6379/0") == "redis://host:6379/0"
    assert broker_url("") == ""
