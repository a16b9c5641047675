"""Several rerank jobs share the cores of one worker, text by text.

A question waits for about a second, and the sentences of another one's answer may take three. Job after
job, a short one behind a long one would always come too late. So each core takes the next text of the job
that has had the least computing so far, every job gets its share, and a job whose time is over is answered
with the scores there are. Models on the CPU read one text a run anyway.

Foresight alone would not do for the deadline: a cross-encoder errs where the machine is busy, a reply that
is late is nobody's, and all scores would be lost with it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rag.errors import RerankUnavailable
from rag.rerank.message import Job, Refused, Reply, Scored
from rag.types import Scores

log = logging.getLogger(__name__)

MOST = 16
"""Jobs in hand; more stay in the queue, where another worker can take them."""


class Scorer(Protocol):
    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores: ...


@dataclass(slots=True, eq=False)
class _Work:
    """A job in hand. Seconds of `time.monotonic()`."""

    job: Job
    scorer: Scorer
    until: float
    share_s: float
    """Computing that counts for whose turn it is: a new job begins where the others are."""
    begun: int = 0
    """Texts begun, in their order."""
    running: int = 0
    scored: dict[int, float] = field(default_factory=dict)
    busy_from: float = 0.0
    busy_s: float = 0.0
    """How long at least one of its texts was computed."""
    no_more: bool = False
    """No text is begun any more: there is no time for one, or it failed."""
    failed: bool = False

    @property
    def can_go_on(self) -> bool:
        return not self.no_more and self.begun < len(self.job.texts)

    def reply(self, now: float) -> Reply:
        """What there is: a scored prefix, or why there is none."""
        if self.failed:
            sentence = "The rerank worker failed on these passages."
            return Refused(id=self.job.id, code="failed", sentence=sentence)
        texts = len(self.job.texts)
        prefix = next((place for place in range(texts) if place not in self.scored), texts)
        if texts and not prefix:
            sentence = "The cross-encoder had no time left to score a single passage."
            return Refused(id=self.job.id, code="too_late", sentence=sentence)
        busy_s = self.busy_s + (now - self.busy_from if self.running else 0.0)
        values = tuple(self.scored[place] if place < prefix else None for place in range(texts))
        return Scored(id=self.job.id, kind="logit", values=values, compute_ms=busy_s * 1000)


class Sharing:
    """`answer` is called once for each job, in one of the threads that compute or watch the time."""

    def __init__(self, answer: Callable[[Job, Reply], None], threads: int) -> None:
        self._answer = answer
        self._changed = threading.Condition()
        self._hand: list[_Work] = []
        self.busy_since: float | None = None
        """Unix time since which there is always a job in hand; None while there is none."""
        for target in [self._compute] * threads + [self._watch]:
            threading.Thread(target=target, name=target.__name__, daemon=True).start()

    def submit(self, job: Job, scorer: Scorer, *, seconds: float) -> None:
        """Take a job in hand, to be answered within so many seconds; waits while there are many."""
        until = time.monotonic() + seconds
        with self._changed:
            while len(self._hand) >= MOST:
                self._changed.wait()
            share_s = min((work.share_s for work in self._hand), default=0.0)
            self._hand.append(_Work(job, scorer, until, share_s))
            self.busy_since = self.busy_since or time.time()
            self._changed.notify_all()

    def _compute(self) -> None:
        while True:
            with self._changed:
                while (work := self._turn()) is None:
                    self._changed.wait()
                began = time.monotonic()
                place, work.begun = work.begun, work.begun + 1
                work.running += 1
                if work.running == 1:
                    work.busy_from = began
            value = self._score(work, work.job.texts[place])
            with self._changed:
                now = time.monotonic()
                work.running -= 1
                work.share_s += now - began
                if not work.running:
                    work.busy_s += now - work.busy_from
                if value is None:
                    work.no_more = True
                else:
                    work.scored[place] = value
                reply = self._done(work, now)
            if reply is not None:
                self._answer(work.job, reply)

    def _turn(self) -> _Work | None:
        """The job whose text is next: least served first, then first come."""
        return min((work for work in self._hand if work.can_go_on), key=lambda w: w.share_s, default=None)

    def _score(self, work: _Work, text: str) -> float | None:
        try:
            return work.scorer.score_texts(work.job.query, [text], deadline=work.until).values[0]
        except RerankUnavailable:
            return None  # no time for this one, nor for those after it
        except Exception:
            log.exception("A job broke.")
            work.failed = True
            return None

    def _done(self, work: _Work, now: float) -> Reply | None:
        """The reply, once, when nothing more is to come of a job. Call it with the lock."""
        if work not in self._hand or work.running or work.can_go_on:
            return None
        return self._drop(work, now)

    def _drop(self, work: _Work, now: float) -> Reply:
        self._hand.remove(work)
        if not self._hand:
            self.busy_since = None
        self._changed.notify_all()
        return work.reply(now)

    def _watch(self) -> None:
        """Answer the jobs whose time is over, whatever their texts are at."""
        while True:
            with self._changed:
                now = time.monotonic()
                over = [
                    (work.job, self._drop(work, now))
                    for work in list(self._hand)
                    if work.until <= now or not work.job.texts
                ]
                if not over:
                    nearest = min((work.until for work in self._hand), default=None)
                    self._changed.wait(None if nearest is None else max(0.0, nearest - now))
            for job, reply in over:
                self._answer(job, reply)
