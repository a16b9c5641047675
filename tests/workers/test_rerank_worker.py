"""The real worker with the real model behind the real queue."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
import redis

from rag.errors import RerankUnavailable
from rag.rerank import onnx
from rag.rerank.message import RERANK
from rag.rerank.pairs import PairReranker
from scripts.stack import Stack
from search_app import dispatch
from search_app.dispatch import QueuedReranker
from tests import models
from tests.contracts.reranker import PASSAGES, QUERY, RerankerContract, far

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("worker"), parts=("redis", "rerank")) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def here() -> PairReranker:
    return onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), threads=2)


@pytest.fixture
def reranker(stack: Stack, here: PairReranker) -> QueuedReranker:
    stack.wait_until_ready()
    dispatch._client.cache_clear()
    return QueuedReranker(here.fingerprint, stack.queue_url)


class TestQueued(RerankerContract):
    pass


def test_the_scores_are_those_of_the_model_in_this_process(
    reranker: QueuedReranker, here: PairReranker
) -> None:
    there = reranker.score(QUERY, PASSAGES, deadline=far())
    expected = here.score(QUERY, PASSAGES, deadline=far())
    assert there.values == pytest.approx(expected.values, abs=1e-5)
    assert there.kind == "logit"
    assert there.compute_ms > 0


def test_time_that_runs_out_leaves_a_scored_prefix_in_time(reranker: QueuedReranker) -> None:
    texts = ["many words of a passage that is long " * 40] * 300
    began = time.monotonic()
    values = reranker.score_texts(QUERY, texts, deadline=began + 2.0).values
    assert time.monotonic() - began < 2.2
    scored = [value is not None for value in values]
    assert scored == sorted(scored, reverse=True)
    assert scored[0]
    assert not scored[-1]


def test_a_message_that_is_no_job_is_dropped(reranker: QueuedReranker, stack: Stack) -> None:
    client = dispatch._client(stack.queue_url)
    for nonsense in ([{}], ["x"], [1, 2], []):
        client.send("rerank.score", nonsense, queue=RERANK)
    assert reranker.score(QUERY, PASSAGES, deadline=far()).values
    assert stack.starts()["rerank"] == 1


def test_it_goes_on_when_redis_has_started_again(reranker: QueuedReranker, stack: Stack) -> None:
    stack.kill("redis")
    began = time.monotonic()
    while True:
        try:
            assert reranker.score(QUERY, PASSAGES, deadline=far()).values
            break
        except RerankUnavailable:
            assert time.monotonic() - began < 10
            time.sleep(0.1)
    assert stack.starts()["rerank"] == 1


@pytest.mark.slow
def test_a_worker_that_is_killed_is_there_again(reranker: QueuedReranker, stack: Stack) -> None:
    before = stack.pids()["rerank"]
    stack.kill("rerank")
    time.sleep(0.2)
    stack.wait_until_ready()
    assert stack.pids()["rerank"] != before
    time.sleep(0.5)  # what this process knows of the workers is that old at most
    assert reranker.score(QUERY, PASSAGES, deadline=far()).values


@pytest.mark.slow
def test_a_worker_that_is_stopped_counts_as_gone(reranker: QueuedReranker, stack: Stack) -> None:
    pid = stack.pids()["rerank"]
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(RerankUnavailable, match="No rerank worker is running"):
            reranker.score(QUERY, PASSAGES, deadline=far())
        assert time.monotonic() - began < 6
    finally:
        os.kill(pid, signal.SIGCONT)


def test_ending_it_takes_its_sign_of_life_away(stack: Stack) -> None:
    with redis.Redis.from_url(stack.queue_url) as client:
        stack.wait_until_ready()
        keys = client.keys("sieve:worker:rerank:*")
        pid = stack.pids()["rerank"]
        os.kill(pid, signal.SIGTERM)
        while stack.pids().get("rerank") == pid:
            time.sleep(0.02)
        assert f"-{pid}".encode() in b"".join(keys)
        assert not [key for key in client.keys("sieve:worker:rerank:*") if key.endswith(f"-{pid}".encode())]
