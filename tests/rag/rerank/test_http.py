"""Every dialect against a strict stand-in on loopback, and what a server can do wrong."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import RerankUnavailable, SpecError
from rag.rerank import http, onnx
from rag.rerank.dialects import base
from rag.rerank.pairs import PairReranker
from rag.services import Service
from rag.types import ScoreKind
from tests import models
from tests.contracts.reranker import PASSAGES, QUERY, RerankerContract, far
from tests.faults import kinds
from tests.faults.proxy import Answer, Exchange, Fault, Proxy, deaf
from tests.rag.rerank.providers import KEY, MODEL, PROVIDERS, Score, provider, tokens_of

LOGITS: dict[ScoreKind, Callable[[float], float]] = {
    "logit": lambda value: value,
    "relevance": lambda value: 1 / (1 + math.exp(-value)),
}
TEXTS = ["one", "two and a half", "three", "four of them", "five"]
SLACK_S = 0.25
"""For a busy machine."""


def by_length(query: str, texts: Sequence[str]) -> list[float]:
    return [len(text) / 10 - 1 for text in texts]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy("http://127.0.0.1:9") as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_THE_TESTS", KEY)


def service(url: str, dialect: str = "cohere_v2", **more: Any) -> Service:
    return Service(dialect=dialect, url=url, key_env="KEY_OF_THE_TESTS", **more)


def reranker_on(
    proxy: Proxy, dialect: str = "cohere_v2", score: Score = by_length, **more: Any
) -> http.HttpReranker:
    proxy.on(provider(dialect, score))
    return http.connect(service(proxy.url, dialect, **more), MODEL)


def reason(reranker: http.HttpReranker, within_s: float = 5.0, texts: Sequence[str] = TEXTS) -> str:
    with pytest.raises(RerankUnavailable) as caught:
        reranker.score_texts("long", texts, deadline=time.monotonic() + within_s)
    return str(caught.value)


def answers(status: int, body: object = None, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda exchange: exchange.send(Answer(status, data, "application/json", named))


# --- What every reranker must do, in every dialect ---------------------------------------------------------


@pytest.mark.models
@pytest.mark.parametrize("dialect", sorted(PROVIDERS))
class TestDialects(RerankerContract):
    """The real cross-encoder behind each provider's API."""

    @pytest.fixture
    def reranker(self, proxy: Proxy, dialect: str) -> http.HttpReranker:
        _model()
        return reranker_on(proxy, dialect, _cross_encoder, timeout_ms=60_000)


@cache
def _model() -> PairReranker:
    return onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), threads=2)


_lock = threading.Lock()
_known: dict[tuple[str, str], float] = {}


def _cross_encoder(query: str, texts: Sequence[str]) -> list[float]:
    with _lock:
        for text in texts:
            if (query, text) not in _known:
                found = _model().score_texts(query, [text], deadline=far()).values[0]
                assert found is not None
                _known[query, text] = found
        return [_known[query, text] for text in texts]


# --- The road of a request ---------------------------------------------------------------------------------


def test_there_is_a_stand_in_for_each_dialect() -> None:
    assert set(base.names()) == set(PROVIDERS)


@pytest.mark.parametrize("dialect", sorted(PROVIDERS))
def test_a_dialect_asks_as_published_and_reads_what_comes_back(dialect: str, proxy: Proxy) -> None:
    reranker = reranker_on(proxy, dialect)
    scores = reranker.score_texts("long", TEXTS, deadline=far())
    expected = [LOGITS[scores.kind](value) for value in by_length("", TEXTS)]
    assert scores.values == pytest.approx(expected)
    assert (scores.spent.texts, scores.spent.requests, scores.spent.stopped) == (5, 1, "")
    charged_by_tokens = dialect not in ("tei", "cohere_v1", "cohere_v2")
    assert scores.spent.tokens == (tokens_of("long", TEXTS) if charged_by_tokens else 0)
    assert reranker.fingerprint == f"{dialect}:{MODEL}:{scores.kind}"


@pytest.mark.parametrize("dialect", sorted(PROVIDERS))
def test_more_than_ten_texts_come_back_all(dialect: str, proxy: Proxy) -> None:
    texts = [f"text {'x' * n}" for n in range(25)]
    values = reranker_on(proxy, dialect).score_texts("q", texts, deadline=far()).values
    assert values == tuple(sorted(value for value in values if value is not None))
    assert len(set(values)) == 25


def test_what_does_not_fit_into_one_request_is_asked_in_several(proxy: Proxy) -> None:
    texts = [f"text {'x' * n}" for n in range(75)]
    scores = reranker_on(proxy, "tei").score_texts("q", texts, deadline=far())
    assert scores.values == pytest.approx(by_length("q", texts))
    assert (scores.spent.requests, scores.spent.texts) == (3, 75)
    assert sorted(len(json.loads(seen.body)["texts"]) for seen in proxy.seen) == [11, 32, 32]


def test_a_server_with_another_limit_is_asked_by_it(proxy: Proxy) -> None:
    reranker_on(proxy, "tei", max_texts=2).score_texts("q", TEXTS, deadline=far())
    assert len(proxy.seen) == 3


def test_the_price_is_that_of_the_price_list(proxy: Proxy) -> None:
    texts = ["a text"] * 250
    scores = reranker_on(proxy, usd_per_search=0.002).score_texts("q", texts, deadline=far())
    assert scores.spent.usd == pytest.approx(3 * 0.002), "a search is up to 100 texts, says the reply"
    proxy.clear()
    scores = reranker_on(proxy, "voyage", usd_per_million_tokens=0.05).score_texts("q", texts, deadline=far())
    assert scores.spent.usd == pytest.approx(750 * 0.05 / 1e6)
    proxy.clear()
    assert reranker_on(proxy, "jina").score_texts("q", texts, deadline=far()).spent.usd == 0


def test_a_connection_is_kept(proxy: Proxy) -> None:
    ports = set()
    answer = provider("cohere_v2", by_length)

    def remember(exchange: Exchange) -> None:
        ports.add(exchange._connection.getpeername())
        answer(exchange)

    proxy.on(remember)
    reranker = http.connect(service(proxy.url), MODEL)
    for _ in range(5):
        reranker.score_texts("q", TEXTS, deadline=far())
    assert len(ports) == 1


def test_a_path_before_that_of_the_provider_is_kept(proxy: Proxy) -> None:
    proxy.on(answers(404))
    reason(http.connect(service(f"{proxy.url}/behind/a/gateway/"), MODEL))
    assert proxy.seen[0].path == "/behind/a/gateway/v2/rerank"


def test_an_option_is_sent_and_is_part_of_the_fingerprint(proxy: Proxy) -> None:
    proxy.on(provider("cohere_v2", by_length))
    options = {"max_tokens_per_doc": 512}
    reranker = http.connect(service(proxy.url, fixed="2025-12"), MODEL, options=options)
    reranker.score_texts("q", TEXTS, deadline=far())
    assert json.loads(proxy.seen[0].body)["max_tokens_per_doc"] == 512
    assert reranker.fingerprint == f"cohere_v2:{MODEL}:2025-12:max_tokens_per_doc=512:relevance"


@pytest.mark.parametrize(
    ("dialect", "model", "options", "sentence"),
    [
        ("cohere_v3", MODEL, {}, "There is no dialect 'cohere_v3' for reranking; there are: cohere_v1,"),
        ("base", MODEL, {}, "There is no dialect 'base'"),
        ("tei", "", {}, "`service/model`; the model is missing"),
        ("tei", MODEL, {"max_tokens_per_doc": 5}, "has no option 'max_tokens_per_doc'; there are: none."),
        ("cohere_v2", MODEL, {"max_tokens_per_doc": 0}, "is to be a whole number from 1 on."),
        ("cohere_v2", MODEL, {"max_tokens_per_doc": True}, "is to be a whole number from 1 on."),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    dialect: str, model: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SpecError) as caught:
        http.connect(service("http://127.0.0.1:9", dialect), model, options=options)
    assert sentence in str(caught.value)


# --- Replies that cannot be right --------------------------------------------------------------------------


def changed(change: Callable[[list[dict[str, Any]]], object]) -> Fault:
    """The right reply of `cohere_v2` with its results altered in place."""
    results = [{"index": n, "relevance_score": value / 10} for n, value in enumerate(range(5))]
    change(results)
    return answers(200, {"results": results})


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (changed(lambda found: found[2].update(index=5)), "a score for text 6 of 5"),
        (changed(lambda found: found[2].update(index=-1)), "a score for text 0 of 5"),
        (changed(lambda found: found[2].update(index=1)), "two scores for text 2"),
        (changed(lambda found: found.append(found[0])), "two scores for text 1"),
        (changed(lambda found: found.pop()), "scores for 4 of 5 texts only"),
        (changed(lambda found: found.clear()), "scores for 0 of 5 texts only"),
        (changed(lambda found: found[0].update(relevance_score=1e300)), "a score for text 1 that is none"),
        (changed(lambda found: found[0].update(relevance_score=math.nan)), "not its own"),
        (changed(lambda found: found[0].update(relevance_score=math.inf)), "not its own"),
        (changed(lambda found: found[0].update(relevance_score=None)), "not its own"),
        (changed(lambda found: found[0].update(relevance_score="0.5")), "not its own"),
        (changed(lambda found: found[0].update(index="0")), "not its own"),
        (changed(lambda found: found[0].update(index=0.5)), "not its own"),
        (changed(lambda found: found[0].pop("index")), "not its own"),
        (answers(200, {"data": []}), "not its own"),
        (answers(200, []), "not its own"),
        (answers(200, b""), "not its own"),
        (answers(200, b'{"results": [{"index": 0, "relevance_score"'), "not its own"),
        (answers(200, b'{"results": [{"index": 0, "relevance_score": 1e999}]}'), "not its own"),
        (answers(200, b"[" * 100_000), "not its own"),
        (answers(200, b"\xff\xfe"), "not its own"),
        (kinds.login_page(), "not its own"),
        (answers(204, b""), "not its own"),
    ],
)
def test_a_reply_that_is_not_one_score_for_each_text_is_none(fault: Fault, why: str, proxy: Proxy) -> None:
    proxy.on(fault)
    assert why in reason(http.connect(service(proxy.url), MODEL))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 6), st.floats(allow_nan=True)), max_size=7))
def test_scores_are_those_of_a_permutation_or_none(found: list[tuple[int, float]]) -> None:
    reranker = http.connect(Service(dialect="tei", url="http://127.0.0.1:9"), MODEL)
    right = sorted(index for index, _ in found) == list(range(4)) and all(
        math.isfinite(score) and abs(score) <= http.LARGEST for _, score in found
    )
    try:
        values = reranker._in_order(base.Reply(tuple(found)), 4)
    except RerankUnavailable as error:
        assert not right
        assert str(error).endswith(".")
    else:
        assert right
        assert values == [dict(found)[index] for index in range(4)]


def test_a_reply_of_any_length_is_not_read_to_its_end(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.exchange.MAX_REPLY", 1000)
    proxy.on(answers(200, b" " * 2000))
    assert "longer than any can be" in reason(http.connect(service(proxy.url), MODEL))


# --- Refusals and faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (400, "refused the request (HTTP 400)"),
        (401, "does not accept the key (HTTP 401)"),
        (402, "asks for money: its account is empty (HTTP 402)"),
        (404, "does not know this address or this model (HTTP 404)"),
        (413, "takes no request so large (HTTP 413)"),
        (500, "failed (HTTP 500)"),
        (302, "failed (HTTP 302)"),
    ],
)
def test_a_refusal_is_said_and_not_asked_again(status: int, why: str, proxy: Proxy) -> None:
    proxy.on(answers(status, {"message": "about: long"}, location="http://127.0.0.1:9/"))
    assert why in reason(http.connect(service(proxy.url), MODEL))
    assert len(proxy.seen) == 1


def test_busy_for_a_moment_is_waited_out(proxy: Proxy) -> None:
    proxy.on(answers(429, {}, retry_after="0.3"), times=2)
    began = time.monotonic()
    assert None not in reranker_on(proxy).score_texts("q", TEXTS, deadline=began + 10).values
    assert time.monotonic() - began >= 0.6
    assert len(proxy.seen) == 3


def test_overload_without_a_time_is_tried_again_a_little_later(proxy: Proxy) -> None:
    proxy.on(answers(429, {"error": "Model is overloaded", "error_type": "overloaded"}), times=1)
    proxy.on(answers(503), times=1)
    assert None not in reranker_on(proxy, "tei").score_texts("q", TEXTS, deadline=far()).values


def test_overload_for_good_is_asked_a_few_times(proxy: Proxy) -> None:
    proxy.on(answers(429))
    assert "is asked too often (HTTP 429)" in reason(http.connect(service(proxy.url), MODEL), within_s=60)
    assert len(proxy.seen) == 4


def test_a_wait_longer_than_the_question_ends_it_at_once_and_the_next_ones_too(proxy: Proxy) -> None:
    proxy.on(answers(429, {}, retry_after="20"))
    reranker = http.connect(service(proxy.url), MODEL)
    began = time.monotonic()
    first, second = reason(reranker, within_s=2), reason(reranker, within_s=2)
    assert time.monotonic() - began < 1
    assert "busy and wants to be left alone for" in first
    assert "busy and wants to be left alone for" in second
    assert len(proxy.seen) == 1, "the second question left it alone"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "99999999999"}, 99999999999),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    from rag.exchange import _retry_after

    assert _retry_after(headers) == seconds


def test_nobody_is_left_alone_for_ever(proxy: Proxy) -> None:
    proxy.on(answers(429, {}, retry_after="99999999999"))
    reranker = http.connect(service(proxy.url), MODEL)
    reason(reranker, within_s=1)
    assert reranker._client._not_before - time.monotonic() <= 60


@pytest.mark.parametrize(
    "fault",
    [
        kinds.hang(),
        lambda exchange: (exchange.write(b"HTTP/1.1 200 OK\r\n"), exchange.wait(60)),
        lambda exchange: _drip(exchange, b"HTTP/1.1 200 OK\r\nx-slow: " + b"y" * 1000),
        lambda exchange: _drip(exchange, b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b" " * 1000),
        lambda exchange: _drip(
            exchange, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 300
        ),
        lambda exchange: _drip(exchange, b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        answers(503, {}, retry_after="0.2"),
    ],
    ids=["silent", "half a head", "a dripping head", "a dripping body", "dripping chunks", "100s", "503s"],
)
def test_whatever_the_server_does_the_question_ends_in_time(fault: Fault, proxy: Proxy) -> None:
    proxy.on(fault)
    reranker = http.connect(service(proxy.url), MODEL)
    began = time.monotonic()
    assert reason(reranker, within_s=0.5).endswith(".")
    assert time.monotonic() - began < 0.5 + SLACK_S


def _drip(exchange: Exchange, some: bytes) -> None:
    for start in range(0, len(some), 8):
        exchange.write(some[start : start + 8])
        exchange.wait(0.05)


def test_a_host_that_takes_no_connection_costs_no_more_than_the_time(proxy: Proxy) -> None:
    with deaf() as url:
        began = time.monotonic()
        assert "cannot be reached" in reason(http.connect(service(url), MODEL), within_s=0.5)
        assert time.monotonic() - began < 0.5 + SLACK_S


def test_a_name_that_is_looked_up_for_ever_costs_no_more_than_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: ended.wait(20) or [])
    began = time.monotonic()
    assert "no answer in time" in reason(http.connect(service("http://rerank.test"), MODEL), within_s=0.4)
    assert time.monotonic() - began < 0.4 + SLACK_S
    ended.set()


def test_a_name_that_is_none_is_said() -> None:
    assert "cannot be reached" in reason(http.connect(service("http://no-such-host.invalid"), MODEL))


def test_the_service_has_its_own_longest_wait(proxy: Proxy) -> None:
    proxy.on(kinds.hang())
    began = time.monotonic()
    assert "no answer in time" in reason(http.connect(service(proxy.url, timeout_ms=300), MODEL), within_s=60)
    assert time.monotonic() - began < 0.3 + SLACK_S


def test_a_connection_that_was_closed_meanwhile_is_made_anew(proxy: Proxy) -> None:
    reranker = reranker_on(proxy)
    reranker.score_texts("q", TEXTS, deadline=far())
    proxy.clear()
    proxy.on(kinds.reset_before(), times=1)
    proxy.on(provider("cohere_v2", by_length))
    assert None not in reranker.score_texts("q", TEXTS, deadline=far()).values


def test_a_server_that_breaks_off_is_said(proxy: Proxy) -> None:
    proxy.on(kinds.reset_before())
    assert "broke off the connection" in reason(http.connect(service(proxy.url), MODEL))
    assert len(proxy.seen) == 2


def test_what_came_in_time_is_a_prefix(proxy: Proxy) -> None:
    """The second of three requests hangs: the scores of the third are no use without its own."""
    second = proxy.on(kinds.hang(), holds=b'"three"')
    scores = reranker_on(proxy, max_texts=2).score_texts("q", TEXTS, deadline=time.monotonic() + 0.6)
    assert second.applied == 1
    assert scores.values[0] is not None
    assert scores.values[1] is not None
    assert scores.values[2:] == (None, None, None)
    assert (scores.spent.stopped, scores.spent.texts, scores.spent.requests) == ("time", 2, 1)


def test_a_part_that_fails_fails_all(proxy: Proxy) -> None:
    proxy.on(answers(500), holds=b'"three"')
    assert "failed (HTTP 500)" in reason(reranker_on(proxy, max_texts=2))


# --- Secrets -----------------------------------------------------------------------------------------------


def test_neither_key_nor_words_reach_a_log_or_an_error(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    secret, question = "sk-" + "5" * 40, "who knows of the takeover"

    def echo(exchange: Exchange) -> None:
        said = {"message": f"{exchange.request.headers} {exchange.request.body!r}"}
        exchange.send(Answer(400, json.dumps(said).encode()))

    proxy.on(echo)
    with caplog.at_level(logging.DEBUG), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_OF_THE_TESTS", secret)
        reranker = http.connect(service(proxy.url), MODEL)
        with pytest.raises(RerankUnavailable) as caught:
            reranker.score_texts(question, PASSAGES[0].text.split(), deadline=far())
    assert secret in str(proxy.seen[0].headers)
    told = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {reranker._service!r} {vars(reranker)}"
    for word in (secret, question, "ferry"):
        assert word not in told


def test_a_key_is_read_anew_for_each_question(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = reranker_on(proxy)
    monkeypatch.setenv("KEY_OF_THE_TESTS", "an-old-one")
    assert "does not accept the key" in reason(reranker)
    monkeypatch.setenv("KEY_OF_THE_TESTS", f" {KEY}\n")
    assert None not in reranker.score_texts(QUERY, TEXTS, deadline=far()).values


@pytest.mark.parametrize("value", [None, "", "two words", "line\r\nx-other: 1", "schlüssel"])
def test_a_key_that_cannot_be_costs_the_stage_only(
    value: str | None, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = reranker_on(proxy)
    monkeypatch.delenv("KEY_OF_THE_TESTS")
    if value is not None:
        monkeypatch.setenv("KEY_OF_THE_TESTS", value)
    assert reason(reranker) == "The key of the service (cohere_v2) cannot be read."
    assert proxy.seen == []
