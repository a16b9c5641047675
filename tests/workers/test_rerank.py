"""What the rerank worker says to a job, with a cross-encoder of scripted faults in its place."""

import time
from collections.abc import Sequence

from rag.errors import RerankUnavailable
from rag.rerank.message import Job, Refused, Scored
from rag.types import Scores
from workers.rerank import MARGIN_S, answer


class Scripted:
    """Gives scores or raises, and notes the deadline that it was given."""

    fingerprint = "m:1:logit"
    deadline = 0.0

    def __init__(self, outcome: Scores | Exception) -> None:
        self.outcome = outcome

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        self.deadline = deadline
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
