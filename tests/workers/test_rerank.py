"""How the rerank worker shares its cores among jobs, with scripted cross-encoders in place of a model."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from rag.errors import RerankUnavailable
from rag.rerank.message import Job, Refused, Reply, Scored
from rag.types import Scores
from workers.rerank import MARGIN_S, Rerankers
from workers.sharing import MOST

MODEL = "m:1:logit"


class Scripted:
    """One text at a time: its score is its number; a text that is no number is what happens instead."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.seen: list[str] = []
        self.deadlines: list[float] = []

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        (text,) = texts
        self.seen.append(f"{query}{text}")
        self.deadlines.append(deadline)
        if text == "late":
            raise RerankUnavailable("No time.")
        if text == "bug":
            raise ValueError("secret text")
        time.sleep(float(text) if query == "slow" else self.seconds)
        return Scores("logit", (float(text),), 1.0)


class Worker:
    def __init__(self, seconds: float = 0.0, threads: int = 1) -> None:
        self.scorer = Scripted(seconds)
        self._replies: dict[str, queue.Queue[tuple[Reply, float]]] = {}
        self.rerankers = Rerankers({MODEL: self.scorer}, self._reply, threads)

    def _reply(self, job: Job, reply: Reply) -> None:
        self._replies[job.id].put((reply, time.monotonic()))

    def ask(
        self, *texts: str, query: str = "", seconds: float = 5.0, reranker: str = MODEL
    ) -> Callable[[], tuple[Reply, float]]:
        """Give it a job; the reply and how long it took are had by calling what this returns."""
        number = f"{len(self._replies)}"
        self._replies[number] = queue.Queue()
        job = Job(
            id=number,
            query=query,
            texts=texts,
            reranker=reranker,
            deadline=time.time() + seconds,
            reply_to="",
        )
        began = time.monotonic()
        self.rerankers.take(job)

        def wait() -> tuple[Reply, float]:
            reply, at = self._replies[number].get(timeout=10)
            assert self._replies[number].empty()
            return reply, at - began

        return wait


def values(reply: Reply) -> tuple[float | None, ...]:
    assert isinstance(reply, Scored), reply
    return reply.values


def code(reply: Reply) -> str:
    assert isinstance(reply, Refused), reply
    return reply.code


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_scores_come_in_the_order_of_the_texts(threads: int) -> None:
    worker = Worker(seconds=0.001, threads=threads)
    reply, _ = worker.ask(*map(str, range(40)))()
    assert values(reply) == tuple(map(float, range(40)))


def test_the_model_ends_before_the_caller_does() -> None:
    worker = Worker()
    worker.ask("1", seconds=5.0)()
    assert 4.5 < worker.scorer.deadlines[0] - time.monotonic() < 5.0 - MARGIN_S


def test_no_texts_have_no_scores() -> None:
    assert values(Worker().ask()()[0]) == ()


def test_computing_time_is_apart_from_waiting() -> None:
    worker = Worker(seconds=0.05)
    first = worker.ask(*["1"] * 4)
    second = worker.ask(*["1"] * 4)
    for reply, took in (first(), second()):
        assert isinstance(reply, Scored)
        assert 150 < reply.compute_ms < 300
        assert took > 0.3


def test_a_job_for_another_model_is_refused_by_name() -> None:
    reply, _ = Worker().ask("1", reranker="other:2:logit")()
    assert code(reply) == "other_model"
    assert MODEL in reply.sentence  # type: ignore[union-attr]


def test_a_job_whose_time_is_over_is_not_begun() -> None:
    worker = Worker()
    assert code(worker.ask("1", seconds=-0.1)()[0]) == "too_late"
    assert worker.scorer.seen == []


def test_where_there_is_no_time_for_a_text_none_is_begun_after_it() -> None:
    worker = Worker()
    assert values(worker.ask("1", "2", "late", "4")()[0]) == (1.0, 2.0, None, None)
    assert worker.scorer.seen == ["1", "2", "late"]
    assert code(worker.ask("late", "2")()[0]) == "too_late"


def test_a_model_that_is_late_loses_only_what_it_had_not_scored_in_time() -> None:
    worker = Worker()
    reply, took = worker.ask("0.01", "0.6", "0.01", query="slow", seconds=0.3)()
    assert values(reply) == (0.01, None, None)
    assert took < 0.3
    reply, took = worker.ask("0.6", query="slow", seconds=0.9)()  # the worker is at the late one still
    assert code(reply) == "too_late"
    assert took < 0.9


def test_a_bug_is_told_without_its_words_and_ends_nothing_else() -> None:
    worker = Worker()
    reply, _ = worker.ask("1", "bug", "3")()
    assert code(reply) == "failed"
    assert "secret" not in reply.sentence  # type: ignore[union-attr]
    assert values(worker.ask("1")()[0]) == (1.0,)


def test_a_short_job_does_not_stand_behind_a_long_one() -> None:
    worker = Worker(seconds=0.02)
    long = worker.ask(*["1"] * 50)
    time.sleep(0.1)
    short, took = worker.ask(*["2"] * 4)()
    assert values(short) == (2.0,) * 4
    assert took < 0.3
    assert values(long()[0]) == (1.0,) * 50


def test_jobs_that_cannot_all_be_done_get_their_shares() -> None:
    worker = Worker(seconds=0.02)
    waiting = [worker.ask(*["1"] * 30, seconds=0.6) for _ in range(4)]
    done = [sum(value is not None for value in values(wait()[0])) for wait in waiting]
    assert min(done) >= 3
    assert max(done) - min(done) <= 4


def test_more_jobs_than_fit_wait_outside() -> None:
    worker = Worker(seconds=0.05)
    waiting = [worker.ask("1") for _ in range(MOST)]
    outside = threading.Thread(target=lambda: waiting.append(worker.ask("1")))
    outside.start()
    outside.join(0.02)
    assert outside.is_alive()
    outside.join(5)
    assert [values(wait()[0]) for wait in waiting] == [(1.0,)] * (MOST + 1)


def test_it_says_since_when_it_is_busy() -> None:
    worker = Worker(seconds=0.1)
    sharing = worker.rerankers.sharing
    assert sharing.busy_since is None
    wait = worker.ask("1")
    assert sharing.busy_since is not None
    assert abs(sharing.busy_since - time.time()) < 0.1
    wait()
    assert sharing.busy_since is None
