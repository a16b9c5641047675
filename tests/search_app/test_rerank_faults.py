"""What a rerank worker or the queue may do, the asker has the fused order in time, and the right status.

A real Redis, real Celery, real worker processes; a model that fails is scripted in one of them.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from rag.models import ModelStore
from rag.rerank import onnx
from rag.rerank.message import beat_key
from rag.trace import Trace
from scripts.stack import Stack
from search_app import dispatch, pipelines
from search_app.access import OPERATOR
from search_app.asking import ask
from tests.models import CROSS_ENCODER
from tests.search_app.conftest import LIGHT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
BUDGET_MS, GRACE_MS = 900, 50
RERANK = f"""
[rerank]
backend = "onnx"
model = "{CROSS_ENCODER}"
depth = 10
budget_ms = {BUDGET_MS}
required = false
"""
Start = Callable[[str], subprocess.Popen]
Ask = Callable[[], Trace]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("faults"), parts=("redis",)) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def start(stack: Stack) -> Iterator[Start]:
    """A worker of its own process, that nobody starts again; it is ready when this returns."""
    started: list[subprocess.Popen] = []
    stack.wait_until_ready()

    def run(kind: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.workers.faulty", kind, fingerprint()]
        if kind == "real":
            command = [sys.executable, "-m", "workers", "rerank"]
        process = subprocess.Popen(command, cwd=ROOT, env=stack.environment)
        started.append(process)
        until = time.monotonic() + 120
        client = dispatch._client(stack.queue_url)
        while not any(beat.pid == process.pid for beat in client.workers(fresh=True)):
            assert process.poll() is None, "the worker ended"
            assert time.monotonic() < until
            time.sleep(0.05)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        with contextlib.suppress(redis.RedisError):  # one that was killed starts again empty
            queue = dispatch._client(stack.queue_url)._redis
            queue.delete(beat_key("rerank", socket.gethostname(), process.pid))


@pytest.fixture
def answer(
    stack: Stack,
    ingest: Callable[..., object],
    folder: Path,
    settings: object,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ask]:
    """Ask the application over three documents, with the cross-encoder in a worker."""
    ingest(folder)
    weights = {"late = 0.0": "late = 0.0", "reranked = 0.0": "reranked = 0.5"}
    text = LIGHT
    for old, new in weights.items():
        text = text.replace(old, new)
    (settings.SPEC_DIR / "light.toml").write_text(text + RERANK)  # type: ignore[attr-defined]
    settings.QUEUE_URL = stack.queue_url  # type: ignore[attr-defined]
    settings.SCORE_CACHE = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(pipelines, "store", lambda: ModelStore(Path(os.environ["SIEVE_MODEL_DIR"])))
    monkeypatch.setattr(pipelines, "_score_by_queue", False)
    pipelines.forget()
    pipelines.score_by_queue()
    dispatch._client(stack.queue_url).workers(fresh=True)
    yield lambda: ask("When does the ferry leave?", viewer=OPERATOR, generate=False).finish()
    monkeypatch.undo()
    pipelines.forget()


def fingerprint() -> str:
    model = ModelStore(Path(os.environ["SIEVE_MODEL_DIR"])).model(CROSS_ENCODER)
    return onnx.fingerprint(CROSS_ENCODER, next(f.sha256 for f in model.files if f.name == onnx.WEIGHTS))


def fell_back(trace: Trace, *sentences: str) -> None:
    """The fused order, the status, the reason, and no more time than the budget and a grace."""
    fused, final = trace.ranking("fused"), trace.ranking("final")
    assert fused is not None
    assert final is not None
    assert [p.id for p in final.passages] == [p.id for p in fused.passages]
    assert trace.rerank.status == "fallback"
    assert trace.rerank.scored == 0
    assert any(sentence in trace.rerank.reason for sentence in sentences), trace.rerank.reason
    assert trace.degraded
    took = next(timing.elapsed_ms for timing in trace.timings if timing.step == "reranked")
    assert took <= BUDGET_MS + GRACE_MS


def later(seconds: float, do: Callable[[], object]) -> None:
    threading.Timer(seconds, do).start()


NO_ANSWER = "The rerank worker did not answer in time."
AWAY = "The queue to the rerank worker cannot be reached."


def test_scores_of_a_worker_that_is_well_are_applied(start: Start, answer: Ask) -> None:
    start("well")
    trace = answer()
    assert trace.rerank.status == "applied"
    assert trace.spent["reranked"].precision == "scripted"
    assert trace.spent["reranked"].queue_ms > 0


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("nan", "got a score from its model that is no number"),
        ("memory", "The rerank worker failed on these passages."),
        ("short", "The rerank worker's reply does not fit the question."),
        ("late", NO_ANSWER),
        ("slow", "The cross-encoder had no time left to score a single passage."),
    ],
)
def test_a_model_that_fails_costs_no_more_than_the_budget(
    start: Start, answer: Ask, kind: str, sentence: str
) -> None:
    start(kind)
    fell_back(answer(), sentence)


@pytest.mark.models
def test_a_worker_that_was_killed_a_moment_ago(start: Start, answer: Ask) -> None:
    start("real").kill()
    fell_back(answer(), NO_ANSWER)


def test_a_worker_that_is_killed_over_the_question(start: Start, answer: Ask) -> None:
    later(0.2, start("slow").kill)
    fell_back(answer(), NO_ANSWER)


@pytest.mark.models
def test_a_worker_that_hangs(start: Start, answer: Ask) -> None:
    process = start("real")
    process.send_signal(signal.SIGSTOP)
    fell_back(answer(), NO_ANSWER)
    process.send_signal(signal.SIGCONT)


def test_a_worker_that_is_gone(answer: Ask) -> None:
    fell_back(answer(), "No rerank worker is running.")


def test_redis_that_is_killed_over_the_question(stack: Stack, start: Start, answer: Ask) -> None:
    start("slow")
    later(0.2, lambda: stack.kill("redis"))
    fell_back(answer(), AWAY, "No rerank worker is running.")


def test_redis_that_hangs_before_the_question(stack: Stack, start: Start, answer: Ask) -> None:
    start("well")
    pid = stack.pids()["redis"]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(0.5)
        fell_back(answer(), AWAY)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_redis_that_hangs_over_the_question(stack: Stack, start: Start, answer: Ask) -> None:
    start("slow")
    pid = stack.pids()["redis"]
    later(0.2, lambda: os.kill(pid, signal.SIGSTOP))
    try:
        fell_back(answer(), AWAY, NO_ANSWER)
    finally:
        os.kill(pid, signal.SIGCONT)
