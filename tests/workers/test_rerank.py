"""What the rerank worker says to a job, with a cross-encoder of scripted faults in its place."""

import time
from collections.abc import Callable, Sequence

import pytest

from rag.errors import RerankUnavailable
from rag.rerank.message import Job, Refused, Scored
from rag.types import Scores
from workers.rerank import MARGIN_S, answer


class Scripted:
    """Gives scores or raises, and notes the deadline that it was given."""

    fingerprint = "m:1:logit"
    deadline = 0.0

    def __init__(
        self, outcome: Scores | Exception, *, late_s: float = 0.0, first: dict[int, float] | None = None
    ) -> None:
        self.outcome, self.late_s, self.first = outcome, late_s, first or {}

    def score_texts(
        self, query: str, texts: Sequence[str], *, deadline: float, on_score: Callable[[int, float], None]
    ) -> Scores:
        self.deadline = deadline
        for place, value in self.first.items():
            on_score(place, value)
        time.sleep(self.late_s)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def job(seconds: float = 5.0, reranker: str = "m:1:logit") -> Job:
    return Job(
        id="7",
        query="q",
        texts=("a", "b"),
        reranker=reranker,
        deadline=time.time() + seconds,
        reply_to="sieve:reply:7",
    )


def held(outcome: Scores | Exception) -> dict[str, Scripted]:
    return {"m:1:logit": Scripted(outcome)}


def test_scores_come_with_their_computing_time_and_end_before_the_caller_does() -> None:
    there = held(Scores("logit", (2.0, None), 12.0))
    assert answer(job(5.0), there) == Scored(id="7", kind="logit", values=(2.0, None), compute_ms=12.0)
    left = there["m:1:logit"].deadline - time.monotonic()
    assert 4.5 < left < 5.0 - MARGIN_S


def test_a_job_for_another_model_is_refused_by_name() -> None:
    reply = answer(job(reranker="other:2:logit"), held(Scores("logit", (), 0.0)))
    assert isinstance(reply, Refused)
    assert (reply.code, "m:1:logit" in reply.sentence) == ("other_model", True)


def test_a_job_whose_time_is_over_is_not_begun() -> None:
    there = held(AssertionError("begun"))
    reply = answer(job(-0.1), there)
    assert isinstance(reply, Refused)
    assert reply.code == "too_late"
    assert there["m:1:logit"].deadline == 0.0


def test_no_time_for_a_single_passage_is_said_in_the_rerankers_words() -> None:
    reply = answer(job(), held(RerankUnavailable("No time for one.")))
    assert reply == Refused(id="7", code="too_late", sentence="No time for one.")


def test_a_bug_is_told_without_its_words() -> None:
    reply = answer(job(), held(ValueError("secret text")))
    assert isinstance(reply, Refused)
    assert reply.code == "failed"
    assert "secret" not in reply.sentence


def test_a_model_that_is_late_loses_only_what_it_had_not_scored_in_time() -> None:
    slow = {"m:1:logit": Scripted(Scores("logit", (2.0, 3.0), 500.0), late_s=0.5, first={0: 2.0})}
    began = time.monotonic()
    reply = answer(job(0.2), slow)
    assert time.monotonic() - began < 0.2
    assert isinstance(reply, Scored)
    assert reply.values == (2.0, None)
    assert 150 < reply.compute_ms < 200


@pytest.mark.parametrize("first", [{}, {1: 3.0}])
def test_a_model_that_is_late_with_the_first_text_has_no_scores(first: dict[int, float]) -> None:
    reply = answer(
        job(0.1), {"m:1:logit": Scripted(Scores("logit", (2.0, 3.0), 1.0), late_s=0.3, first=first)}
    )
    assert isinstance(reply, Refused)
    assert reply.code == "too_late"
