"""Processes share scores through a real Redis, never too many, and go on without it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rag.rerank.cache import CachedReranker, MemoryScores
from scripts.stack import Stack, free_port
from search_app import logs, pipelines, score_cache
from search_app.score_cache import FILLED, HALVES, SharedScores
from tests.contracts.reranker import far
from tests.rag.rerank.test_cache import Lengths


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("scores"), parts=("redis",)) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def server(stack: Stack) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.queue_url, protocol=2) as client:
        client.flushall()
        yield client


def process(stack: Stack, most: int = 1000) -> SharedScores:
    """The store as another process would have it: nothing in its memory."""
    return SharedScores(MemoryScores(most), stack.queue_url, most)


def test_what_one_process_scored_another_one_need_not(stack: Stack, server: redis.Redis) -> None:
    inner = Lengths()
    texts = [f"text {n}" for n in range(700)]
    first = CachedReranker(inner, process(stack), b"s").score_texts("q", texts, deadline=far())
    again = CachedReranker(inner, process(stack), b"s").score_texts("q", texts, deadline=far())
    assert again.values == first.values
    assert (again.spent.cached, len(inner.asked)) == (700, 1)


def test_nothing_that_people_wrote_is_in_redis(stack: Stack, server: redis.Redis) -> None:
    cached = CachedReranker(Lengths("fingerprint"), process(stack), b"s")
    cached.score_texts("secret question", ["secret passage"], deadline=far())
    dump = b"".join(part for half in HALVES for entry in server.hgetall(half).items() for part in entry)
    assert dump
    assert not any(word in dump for word in (b"secret", b"question", b"passage", b"fingerprint"))


def test_it_is_bounded_and_keeps_what_is_asked_for(stack: Stack, server: redis.Redis) -> None:
    store = process(stack, most=100)
    store.put({b"asked": b"often"})
    for n in range(400):
        store.put({b"%d" % n: b"x"})
        assert process(stack, most=100).get([b"asked"]) == [b"often"]
        assert sum(server.hlen(half) for half in HALVES) <= 100
    assert process(stack, most=100).get([b"0", b"399"]) == [None, b"x"]


def test_what_nobody_writes_to_ends_its_life(stack: Stack, server: redis.Redis) -> None:
    process(stack).put({b"key": b"entry"})
    assert 0 < server.ttl(HALVES[0]) <= score_cache.KEPT_S


def test_a_full_redis_costs_hits_and_no_answer(stack: Stack, server: redis.Redis) -> None:
    store = process(stack)
    allowed = server.config_get("maxmemory")["maxmemory"]
    server.config_set("maxmemory", 1)
    try:
        store.put({b"key": b"entry"})
    finally:
        server.config_set("maxmemory", allowed)
    assert store.get([b"key"]) == [b"entry"], "it is in the memory of this process"
    assert not server.exists(FILLED, *HALVES)


def test_a_redis_that_is_away_is_no_error_and_is_asked_again_later(
    stack: Stack, server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    store = SharedScores(MemoryScores(10), f"redis://127.0.0.1:{free_port()}/0", 10)
    with caplog.at_level("WARNING", logger=logs.OWN):
        store.put({b"key": b"entry"})
        assert store.get([b"key", b"other"]) == [b"entry", None]
        store._redis, store._away_until = score_cache._client(stack.queue_url), 0.0
        store.put({b"key": b"entry"})
    assert process(stack).get([b"key"]) == [b"entry"]
    said = [r.fields["shared"] for r in caplog.records if r.getMessage() == "scores_shared"]  # type: ignore[attr-defined]
    assert said == [False, True]


def test_a_redis_that_hangs_is_waited_for_once_and_shortly(stack: Stack, server: redis.Redis) -> None:
    store = process(stack)
    pid = int(server.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        for n in range(50):
            assert store.get([b"%d" % n]) == [None]
        assert time.monotonic() - began < 1.0, "each would wait for itself: 2.5 s"
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_settings_say_how_many_are_kept_and_where(settings: object, stack: Stack, tmp_path: Path) -> None:
    settings.QUEUE_URL = ""
    settings.SCORE_CACHE_REDIS = ""
    alone = score_cache.cached()(Lengths())
    assert isinstance(alone, CachedReranker)
    assert isinstance(alone._store, MemoryScores)
    for settings.QUEUE_URL, settings.SCORE_CACHE_REDIS in ((stack.queue_url, ""), ("", stack.queue_url)):
        shared = score_cache.cached()(Lengths())
        assert isinstance(shared, CachedReranker)
        assert isinstance(shared._store, SharedScores)
    settings.QUEUE_URL, settings.SCORE_CACHE_REDIS = stack.queue_url, "none"
    assert isinstance(score_cache.cached()(Lengths())._store, MemoryScores)  # type: ignore[attr-defined]
    settings.SCORE_CACHE = 0
    inner = Lengths()
    assert score_cache.cached()(inner) is inner


def test_another_secret_of_the_installation_is_another_cache(settings: object) -> None:
    settings.QUEUE_URL = ""
    secrets = []
    for settings.SECRET_KEY in ("one", "two"):
        secrets.append(score_cache.cached()(Lengths())._secret)  # type: ignore[attr-defined]
    assert secrets[0] != secrets[1]


def test_a_process_can_be_told_to_score_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "_score_anew", False)
    pipelines.score_anew()
    inner = Lengths()
    try:
        assert pipelines.backends()._cached(inner) is inner
    finally:
        pipelines.backends.cache_clear()
