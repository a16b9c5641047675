"""The queue with a real Redis. A worker that hangs, is late or talks nonsense is scripted here."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.db import transaction
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from rag.errors import RerankUnavailable
from rag.rerank.message import REPLY_SECONDS, RERANK, Beat, Job, Scored, beat_key, encode, from_plain
from scripts.stack import Stack
from search_app import dispatch, pipelines
from search_app.dispatch import QueuedReranker, hint_ingest, queue_state

MODEL = "m:1:logit"
AT_ONCE_S = 0.3


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("queue"), parts=("redis",)) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def queue(stack: Stack) -> Iterator["redis.Redis"]:
    """The empty queue. A test before may have killed Redis a moment ago: it is being started again."""
    stack.wait_until_ready()
    patient = Retry(ConstantBackoff(0.1), 50)
    with redis.Redis.from_url(stack.queue_url, retry=patient) as client:
        client.flushall()
        dispatch._client.cache_clear()
        yield client


@pytest.fixture
def reranker(stack: Stack, queue: "redis.Redis") -> QueuedReranker:
    return QueuedReranker(MODEL, stack.queue_url)


def pretend_worker(queue: "redis.Redis", *, seconds: float = 60, model: str = MODEL) -> None:
    """A sign of life without a worker."""
    beat = Beat(kind="rerank", host="h", pid=1, started=1.0, models=(model,))
    queue.set(beat_key("rerank", "h", 1), encode(beat), px=int(seconds * 1000))


def job_in(message: bytes) -> Job:
    args, _, _ = json.loads(json.loads(message)["body"])
    return from_plain(args[0])


@contextlib.contextmanager
def worker(queue: "redis.Redis", reply: Callable[[Job], None]) -> Iterator[None]:
    """Takes one job off the queue and calls `reply` with it."""

    def run() -> None:
        found = queue.brpop([RERANK], timeout=5)
        assert found is not None
        reply(job_in(found[1]))

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(10)


def ask(reranker: QueuedReranker, seconds: float) -> tuple[str, float]:
    """The sentence with which it fails, and after how many seconds."""
    began = time.monotonic()
    with pytest.raises(RerankUnavailable) as raised:
        reranker.score_texts("q", ["a", "b"], deadline=began + seconds)
    return str(raised.value), time.monotonic() - began


# --- Rerank ------------------------------------------------------------------------------------------------


def test_scores_come_back(reranker: QueuedReranker, queue: "redis.Redis") -> None:
    pretend_worker(queue)

    def reply(job: Job) -> None:
        assert (job.query, job.texts, job.reranker) == ("q", ("a", "b"), MODEL)
        assert 4 < job.deadline - time.time() <= 5
        queue.rpush(job.reply_to, encode(Scored(id=job.id, kind="logit", values=(1.0, None), compute_ms=7.0)))

    with worker(queue, reply):
        scores = reranker.score_texts("q", ["a", "b"], deadline=time.monotonic() + 5)
    assert (scores.values, scores.compute_ms) == ((1.0, None), 7.0)


def test_without_a_worker_it_says_so_at_once(reranker: QueuedReranker) -> None:
    sentence, took = ask(reranker, 5)
    assert sentence == "No rerank worker is running."
    assert took < AT_ONCE_S


def test_without_a_worker_of_this_model_it_says_so_at_once(
    reranker: QueuedReranker, queue: "redis.Redis"
) -> None:
    pretend_worker(queue, model="other:2:logit")
    sentence, took = ask(reranker, 5)
    assert sentence == f"No rerank worker holds the model {MODEL}."
    assert took < AT_ONCE_S
    assert queue.llen(RERANK) == 0


def test_without_redis_it_says_so_at_once(tmp_path: Path) -> None:
    sentence, took = ask(QueuedReranker(MODEL, f"unix://{tmp_path}/none.sock"), 5)
    assert sentence == "The queue to the rerank worker cannot be reached."
    assert took < 1.0  # the first one imports Celery


def test_a_worker_that_hangs_costs_the_deadline_and_no_more(
    reranker: QueuedReranker, queue: "redis.Redis"
) -> None:
    pretend_worker(queue)
    sentence, took = ask(reranker, 0.6)
    assert sentence == "The rerank worker did not answer in time."
    assert 0.55 < took < 0.65


def test_a_worker_that_dies_is_not_waited_for(reranker: QueuedReranker, queue: "redis.Redis") -> None:
    pretend_worker(queue, seconds=0.3)
    sentence, took = ask(reranker, 10)
    assert sentence == "No rerank worker is running."
    assert took < 2


def test_a_worker_that_was_replaced_is_not_waited_for(reranker: QueuedReranker, queue: "redis.Redis") -> None:
    pretend_worker(queue, seconds=0.3)
    beat = Beat(kind="rerank", host="h", pid=2, started=1.0, models=(MODEL,))
    later = threading.Timer(0.2, lambda: queue.set(beat_key("rerank", "h", 2), encode(beat)))
    later.start()
    sentence, took = ask(reranker, 10)
    assert sentence == "The rerank worker has gone away."
    assert took < 2


def test_redis_that_dies_is_not_waited_for(
    stack: Stack, reranker: QueuedReranker, queue: "redis.Redis"
) -> None:
    pretend_worker(queue)
    later = threading.Timer(0.3, lambda: stack.kill("redis"))
    later.start()
    sentence, took = ask(reranker, 10)
    assert sentence in {"The queue to the rerank worker cannot be reached.", "No rerank worker is running."}
    assert took < 2


def test_a_late_reply_is_nobodys(reranker: QueuedReranker, queue: "redis.Redis") -> None:
    pretend_worker(queue)
    late: list[str] = []

    def reply(job: Job) -> None:
        time.sleep(0.4)
        late.append(job.reply_to)
        queue.rpush(job.reply_to, encode(Scored(id=job.id, kind="logit", values=(9.0, 9.0), compute_ms=1.0)))
        queue.expire(job.reply_to, REPLY_SECONDS)

    with worker(queue, reply):
        assert ask(reranker, 0.2)[0] == "The rerank worker did not answer in time."
    with worker(queue, lambda job: queue.rpush(job.reply_to, _scored(job, 1.0)) and None):
        assert reranker.score_texts("q", ["a"], deadline=time.monotonic() + 5).values == (1.0,)
    assert queue.llen(late[0]) == 1
    assert 0 < queue.ttl(late[0]) <= REPLY_SECONDS


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nonsense",
        b'{"type":"scored","id":"ID","kind":"logit","values":[1],"compute_ms":1}',
        b'{"type":"scored","id":"ID","kind":"logit","values":[1,2,3],"compute_ms":1}',
        b'{"type":"scored","id":"ID","kind":"logit","values":[null,1],"compute_ms":1}',
        b'{"type":"scored","id":"ID","kind":"logit","values":[null,null],"compute_ms":1}',
        b'{"type":"scored","id":"ID","kind":"logit","values":[NaN,1],"compute_ms":1}',
        b'{"type":"scored","id":"ID","kind":"logit","values":[1e999,1],"compute_ms":1}',
        b'{"type":"scored","id":"ID","kind":"guess","values":[1,2],"compute_ms":1}',
        b'{"type":"scored","id":"other","kind":"logit","values":[1,2],"compute_ms":1}',
    ],
)
def test_nonsense_is_no_score(reranker: QueuedReranker, queue: "redis.Redis", reply: bytes) -> None:
    pretend_worker(queue)

    def answer(job: Job) -> None:
        queue.rpush(job.reply_to, reply.replace(b'"ID"', json.dumps(job.id).encode()))

    with worker(queue, answer):
        sentence, _ = ask(reranker, 5)
    assert sentence in {
        "The rerank worker's reply cannot be read.",
        "The rerank worker's reply does not fit the question.",
    }


def test_eight_threads_get_their_own_replies(reranker: QueuedReranker, queue: "redis.Redis") -> None:
    pretend_worker(queue)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            found = queue.brpop([RERANK], timeout=0.2)
            if found:
                job = job_in(found[1])
                queue.rpush(job.reply_to, _scored(job, float(job.query)))

    servers = [threading.Thread(target=serve) for _ in range(2)]
    wrong: list[float] = []

    def load(first: int) -> None:
        for number in range(first, first + 25):
            values = reranker.score_texts(str(number), ["a"], deadline=time.monotonic() + 10).values
            if values != (float(number),):
                wrong.append(number)

    clients = [threading.Thread(target=load, args=(100 * n,)) for n in range(8)]
    for thread in (*servers, *clients):
        thread.start()
    for thread in clients:
        thread.join()
    stop.set()
    for thread in servers:
        thread.join()
    assert wrong == []


def test_a_reply_is_not_lost_between_two_looks(reranker: QueuedReranker, queue: "redis.Redis") -> None:
    """Replies that come about when the asker looks whether the worker is still there."""
    pretend_worker(queue)
    for delay in (0.39, 0.395, 0.4, 0.402, 0.405, 0.41):

        def reply(job: Job, delay: float = delay) -> None:
            time.sleep(delay)
            queue.rpush(job.reply_to, _scored(job, 1.0))

        with worker(queue, reply):
            assert reranker.score_texts("q", ["a"], deadline=time.monotonic() + 5).values == (1.0,)


def _scored(job: Job, value: float) -> bytes:
    return encode(Scored(id=job.id, kind="logit", values=(value,) * len(job.texts), compute_ms=1.0))


@pytest.mark.django_db
def test_the_answering_process_has_its_cross_encoder_in_the_worker(
    stack: Stack, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.QUEUE_URL = stack.queue_url  # type: ignore[attr-defined]
    settings.SCORE_CACHE = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(pipelines, "_score_by_queue", False)
    pipelines.forget()
    rerank = pipelines.default().rerank
    assert rerank is not None
    pipelines.score_by_queue()
    try:
        there = pipelines.backends().cross_encoder(rerank)
        assert isinstance(there, QueuedReranker)
        assert there.fingerprint == "ms-marco-MiniLM-L-12-v2-int8:1225ccd6afd0:logit:2"
    finally:
        monkeypatch.undo()
        pipelines.forget()


# --- Ingest ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_hint_is_sent_after_the_commit_and_once(
    stack: Stack, queue: "redis.Redis", settings: object
) -> None:
    settings.QUEUE_URL = stack.queue_url  # type: ignore[attr-defined]
    with transaction.atomic():
        hint_ingest()
        assert queue.llen(dispatch.INGEST) == 0
    assert queue.llen(dispatch.INGEST) == 1
    hint_ingest()
    assert queue.llen(dispatch.INGEST) == 1
    assert json.loads(queue.lindex(dispatch.INGEST, 0))["headers"]["task"] == dispatch.WORK


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_is_down_is_no_error_of_who_uploads(
    tmp_path: Path, settings: object, caplog: pytest.LogCaptureFixture
) -> None:
    settings.QUEUE_URL = f"unix://{tmp_path}/none.sock"  # type: ignore[attr-defined]
    hint_ingest()
    assert "it will look by itself" in caplog.text


# --- State -------------------------------------------------------------------------------------------------


def test_state_of_the_queue(stack: Stack, queue: "redis.Redis", settings: object, tmp_path: Path) -> None:
    settings.QUEUE_URL = ""  # type: ignore[attr-defined]
    assert not queue_state().configured
    settings.QUEUE_URL = f"unix://{tmp_path}/none.sock"  # type: ignore[attr-defined]
    away = queue_state()
    assert (away.configured, away.reachable) == (True, False)
    assert away.reason == "Redis, the queue, cannot be reached."

    settings.QUEUE_URL = stack.queue_url  # type: ignore[attr-defined]
    pretend_worker(queue)
    dispatch._client(stack.queue_url).send(dispatch.WORK, [], queue=dispatch.INGEST)
    time.sleep(0.1)
    dispatch._client(stack.queue_url).send(dispatch.WORK, [], queue=dispatch.INGEST)
    queue.lpush(RERANK, b"somebody else's")
    state = queue_state()
    assert state.reachable
    ingest, rerank = state.queues
    assert (ingest.name, ingest.length, rerank.name, rerank.length) == ("ingest", 2, "rerank", 1)
    assert ingest.oldest_s is not None
    assert 0.1 <= ingest.oldest_s < 5
    assert rerank.oldest_s is None
    assert [(beat.pid, beat.models) for beat in state.alive("rerank")] == [(1, (MODEL,))]
    assert state.alive("ingest") == ()
