"""How the rerank worker shares its models among jobs, with scripted models in place of real ones."""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.rerank.base import Pair
from rag.rerank.message import Job, Refused, Reply, Scored
from rag.types import ScoreKind
from workers.held import Held, around
from workers.rerank import MARGIN_S, Rerankers
from workers.scheduler import MOST

MODEL = "m:1:logit"


class Scripted:
    """The score of a text is its number; a text that is no number is what happens instead.

    A run takes `run_s`, and `token_s` for each token; a question `slow` takes its number of seconds.
    """

    fingerprint = MODEL
    kind: ScoreKind = "logit"
    precision = "scripted"

    def __init__(
        self,
        run_s: float = 0.0,
        token_s: float = 0.0,
        lanes: int = 1,
        batch_tokens: int = 1,
        memory: int = 10**9,
    ) -> None:
        self.run_s, self.token_s, self.memory = run_s, token_s, memory
        self.lanes, self.batch_tokens = lanes, batch_tokens
        self.runs: list[list[tuple[str, str]]] = []

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        if "unreadable" in texts:
            raise ValueError("secret text")
        return [Pair(max(1, len(text)), (query, text)) for text in texts]

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        if pairs[0].data[0].startswith("how many"):
            return self._took(pairs, [0.0] * len(pairs))
        self.runs.append([pair.data for pair in pairs])
        texts = [text for _, text in self.runs[-1]]
        if "bug" in texts:
            raise ValueError("secret text")
        if "short" in texts:
            return []
        if pairs[0].data[0] == "slow":
            time.sleep(float(texts[0]))
            return [float(text) for text in texts]
        return self._took(pairs, [math.nan if text == "nan" else float(text) for text in texts])

    def _took(self, pairs: Sequence[Pair], scores: list[float]) -> list[float]:
        tokens = len(pairs) * max(pair.tokens for pair in pairs)
        if tokens > self.memory:
            raise MemoryError
        time.sleep(self.run_s + tokens * self.token_s)
        return scores


class Worker:
    def __init__(self, model: Scripted | None = None, **script: Any) -> None:
        self.model = model or Scripted(**script)
        self._replies: dict[str, queue.Queue[tuple[Reply, float]]] = {}
        self.rerankers = Rerankers({MODEL: Held(self.model)}, self._reply, {"u:1:logit": "It is odd."})

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

    def busy(self, seconds: float = 0.3) -> Callable[[], tuple[Reply, float]]:
        """Have its first run begun, which takes a while; what is asked now waits together."""
        wait = self.ask(str(seconds), query="slow")
        while not self.model.runs:
            time.sleep(0.001)
        return wait

    @property
    def begun(self) -> list[str]:
        return [text for run in self.model.runs for _, text in run]


def values(reply: Reply) -> tuple[float | None, ...]:
    assert isinstance(reply, Scored), reply
    return reply.values


def code(reply: Reply) -> str:
    assert isinstance(reply, Refused), reply
    return reply.code


# --- One text a run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("batch_tokens", [1, 7, 64])
def test_scores_come_in_the_order_of_the_texts(lanes: int, batch_tokens: int) -> None:
    worker = Worker(run_s=0.001, lanes=lanes, batch_tokens=batch_tokens)
    reply, _ = worker.ask(*map(str, range(80)))()
    assert values(reply) == tuple(map(float, range(80)))


def test_the_reply_says_what_computed_and_how_much() -> None:
    reply, _ = Worker().ask("1", "222")()
    assert isinstance(reply, Scored)
    assert (reply.kind, reply.precision, reply.tokens) == ("logit", "scripted", 4)


def test_no_texts_have_no_scores() -> None:
    assert values(Worker().ask()()[0]) == ()


def test_the_model_ends_before_the_caller_does() -> None:
    reply, took = Worker(run_s=0.05).ask(*["1"] * 100, seconds=0.5)()
    assert 0.5 - 0.15 < took < 0.5 - MARGIN_S + 0.01
    assert None in values(reply)


def test_computing_is_apart_from_waiting_for_others() -> None:
    worker = Worker(run_s=0.05)
    first = worker.ask(*["1"] * 4)
    second = worker.ask(*["1"] * 4)
    for reply, took in (first(), second()):
        assert isinstance(reply, Scored)
        assert 150 < reply.compute_ms < 300
        assert took > 0.3
        assert reply.compute_ms + reply.wait_ms == pytest.approx(took * 1000, abs=30)


def test_a_job_for_another_model_is_refused_by_name() -> None:
    reply, _ = Worker().ask("1", reranker="other:2:logit")()
    assert code(reply) == "other_model"
    assert MODEL in reply.sentence  # type: ignore[union-attr]


def test_a_job_for_a_model_that_is_unfit_is_refused_with_the_reason() -> None:
    reply, _ = Worker().ask("1", reranker="u:1:logit")()
    assert code(reply) == "unfit"
    assert reply.sentence.endswith("It is odd.")  # type: ignore[union-attr]


def test_a_job_whose_time_is_over_is_not_begun() -> None:
    worker = Worker()
    assert code(worker.ask("1", seconds=-0.1)()[0]) == "too_late"
    assert worker.begun == []


def test_where_there_is_no_time_for_a_text_none_is_begun_after_it() -> None:
    worker = Worker(token_s=0.0005)
    reply, took = worker.ask("1", "2", "3" * 2000, "4", seconds=0.6)()
    assert values(reply) == (1.0, 2.0, None, None)
    assert worker.begun == ["1", "2"]
    assert took < 0.5  # at once, and not when its time is over
    assert code(worker.ask("3" * 2000, "2", seconds=0.6)()[0]) == "too_late"


def test_a_model_that_is_late_loses_only_what_it_had_not_scored_in_time() -> None:
    worker = Worker()
    reply, took = worker.ask("0.01", "0.6", "0.01", query="slow", seconds=0.3)()
    assert values(reply) == (0.01, None, None)
    assert took < 0.3
    reply, took = worker.ask("0.6", query="slow", seconds=0.9)()  # the worker is at the late one still
    assert code(reply) == "too_late"
    assert took < 0.9


def test_a_machine_that_was_slow_once_is_tried_again() -> None:
    worker = Worker(run_s=0.001)
    worker.ask(*["0.3"] * 10, query="slow")()
    assert values(worker.ask("1", seconds=0.1)()[0]) == (1.0,)


def test_an_estimate_that_was_too_long_from_the_start_is_put_right() -> None:
    model = Scripted(run_s=0.2)
    worker = Worker(model)  # warmed up while the machine was busy
    model.run_s = 0.001
    codes = [isinstance(worker.ask("1", seconds=0.15)()[0], Scored) for _ in range(5)]
    assert codes[-1]


@pytest.mark.parametrize("broken", ["bug", "nan", "unreadable", "short"])
def test_what_breaks_is_told_without_its_words_and_ends_nothing_else(broken: str) -> None:
    worker = Worker()
    reply, _ = worker.ask("1", broken, "3")()
    assert code(reply) == "failed"
    assert "secret" not in reply.sentence  # type: ignore[union-attr]
    assert values(worker.ask("1")()[0]) == (1.0,)


def test_a_short_job_does_not_stand_behind_a_long_one() -> None:
    worker = Worker(run_s=0.02)
    long = worker.ask(*["1"] * 50)
    time.sleep(0.1)
    short, took = worker.ask(*["2"] * 4)()
    assert values(short) == (2.0,) * 4
    assert took < 0.3
    assert values(long()[0]) == (1.0,) * 50


def test_jobs_that_cannot_all_be_done_get_their_shares() -> None:
    worker = Worker(run_s=0.02)
    waiting = [worker.ask(*["1"] * 30, seconds=0.6) for _ in range(4)]
    done = [sum(value is not None for value in values(wait()[0])) for wait in waiting]
    assert min(done) >= 3
    assert max(done) - min(done) <= 4


def test_more_jobs_than_fit_wait_outside() -> None:
    worker = Worker()
    busy = worker.busy(1.5)
    waiting = [worker.ask("1") for _ in range(MOST - 1)]
    outside = threading.Thread(target=lambda: waiting.append(worker.ask("1")))
    outside.start()
    outside.join(0.02)
    assert outside.is_alive()
    assert values(busy()[0]) == (1.5,)
    outside.join(5)
    assert [values(wait()[0]) for wait in waiting] == [(1.0,)] * MOST


def test_it_says_since_when_it_is_busy() -> None:
    worker = Worker(run_s=0.1)
    scheduler = worker.rerankers.scheduler
    assert scheduler.busy_since is None
    wait = worker.ask("1")
    assert scheduler.busy_since is not None
    assert abs(scheduler.busy_since - time.time()) < 0.1
    wait()
    assert scheduler.busy_since is None


# --- Many texts a run --------------------------------------------------------------------------------------


def test_jobs_that_wait_together_are_run_together() -> None:
    worker = Worker(batch_tokens=64)
    busy = worker.busy()
    waiting = [worker.ask(*["1"] * 8, query=f"q{number}") for number in range(8)]
    for wait in (busy, *waiting):
        assert all(values(wait()[0]))
    assert [len(run) for run in worker.model.runs] == [1, 64]
    assert len({query for query, _ in worker.model.runs[1]}) == 8


def test_texts_of_a_run_are_of_about_one_length_and_within_the_budget() -> None:
    worker = Worker(run_s=0.001, batch_tokens=100)
    texts = ["1" * length for length in (3, 40, 5, 38, 4, 2, 41, 120, 6)]
    assert values(worker.ask(*texts)()[0]) == tuple(map(float, texts))
    lengths = [[len(text) for _, text in run] for run in worker.model.runs]
    assert all(len(run) * max(run) <= 100 or len(run) == 1 for run in lengths)
    assert lengths[0][0] == 3
    assert max(lengths[0]) <= 6


def test_a_run_that_does_not_fit_into_memory_is_halved_and_stays_smaller() -> None:
    worker = Worker(batch_tokens=16_000, memory=1000)
    assert worker.rerankers.held[MODEL].budget <= 1000  # found when it warmed up
    worker.model.memory = 20
    assert values(worker.ask(*["1"] * 90)()[0]) == (1.0,) * 90
    assert worker.rerankers.held[MODEL].budget <= 20
    before = len(worker.model.runs)
    assert values(worker.ask(*["1"] * 10)()[0]) == (1.0,) * 10
    assert all(len(run) <= 20 for run in worker.model.runs[before:])
    assert code(worker.ask("1" * 50)()[0]) == "failed"


@pytest.mark.parametrize("broken", ["bug", "nan"])
def test_only_the_job_that_breaks_a_common_run_has_no_scores(broken: str) -> None:
    worker = Worker(batch_tokens=640)
    worker.busy()
    good = [worker.ask("1", "2", "3", query="good") for _ in range(3)]
    bad = worker.ask("1", broken, query="bad")
    assert code(bad()[0]) == "failed"
    assert [values(wait()[0]) for wait in good] == [(1.0, 2.0, 3.0)] * 3
    assert {query for query, _ in worker.model.runs[1]} == {"good", "bad"}


def test_a_job_with_little_time_left_gets_a_run_that_ends_in_it() -> None:
    worker = Worker(token_s=0.0005, batch_tokens=1000)
    reply, took = worker.ask(*["1" * 10] * 120, seconds=0.3)()
    scored = sum(value is not None for value in values(reply))
    assert 8 < scored < 60
    assert took < 0.3


def test_a_job_that_has_no_time_for_a_large_run_does_not_ride_in_it() -> None:
    worker = Worker(run_s=0.2, batch_tokens=64)
    worker.busy()
    patient = worker.ask(*["1"] * 30, query="patient")
    hasty = worker.ask("2", query="hasty", seconds=0.45)
    assert code(hasty()[0]) == "too_late"
    assert values(patient()[0]) == (1.0,) * 30
    assert all(query != "hasty" for run in worker.model.runs for query, _ in run)


def test_two_models_are_served_side_by_side() -> None:
    one, other = Scripted(run_s=0.01), Scripted(run_s=0.01, batch_tokens=64)
    worker = Worker(one)
    replies: queue.Queue[tuple[str, Reply]] = queue.Queue()
    rerankers = Rerankers(
        {"one": Held(one), "other": Held(other)}, lambda job, reply: replies.put((job.id, reply))
    )
    for number in range(6):
        name = ("one", "other")[number % 2]
        rerankers.take(
            Job(
                id=f"{name}{number}",
                query="q",
                texts=("1", "2"),
                reranker=name,
                deadline=time.time() + 5,
                reply_to="",
            )
        )
    got = dict(replies.get(timeout=5) for _ in range(6))
    assert [values(reply) for reply in got.values()] == [(1.0, 2.0)] * 6
    assert len(one.runs) == 6
    assert len(other.runs) <= 3
    assert worker.begun == [text for run in one.runs for _, text in run]


@given(lengths=st.lists(st.integers(1, 512), min_size=1, max_size=40), budget=st.integers(1, 4000))
def test_a_run_has_its_first_text_and_keeps_to_the_budget(lengths: list[int], budget: int) -> None:
    chosen = around(lengths, budget)
    assert chosen[0] == 0
    assert len(set(chosen)) == len(chosen)
    longest = max(lengths[place] for place in chosen)
    assert len(chosen) == 1 or len(chosen) * longest <= budget
    left = [length for place, length in enumerate(lengths) if place not in chosen]
    assert all((len(chosen) + 1) * max(longest, length) > budget for length in left)


def test_the_time_of_a_run_is_learnt_from_its_parts() -> None:
    held = Held(Scripted(run_s=0.02, token_s=0.0001, batch_tokens=2000))
    assert held.seconds(100) == pytest.approx(0.03, rel=0.3)
    assert held.seconds(1000) == pytest.approx(0.12, rel=0.3)
    assert held.tokens_in(0.07) == pytest.approx(500, rel=0.4)
    assert held.tokens_in(60) == 2000
    for _ in range(50):
        held.learn(100, 0.09)
    assert held.seconds(100) == pytest.approx(0.09, rel=0.3)
    assert held.seconds(100, hopeful=True) == pytest.approx(0.03, rel=0.3)
