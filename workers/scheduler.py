"""Several rerank jobs share the models of one worker, run by run.

A question waits for about a second, and the sentences of another one's answer may take three. Job after
job, a short one behind a long one would always come too late. So each run begins with the next text of the
job that has had the least computing so far, every job gets its share, and a job whose time is over is
answered with the scores there are. On the CPU a run is one text on one core. On a GPU it is filled up to
the model's budget of tokens with texts of about the same length, of the same job and of all others that
wait for the same model: continuous micro-batching, as in servers of language models.

Nothing is begun that would end too late, as far as can be foreseen. Foresight alone would not do for the
deadline: it errs where the machine is busy, a reply that is late is nobody's, and all scores would be lost.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

from rag.rerank.base import Pair
from rag.rerank.message import Job, Reply
from workers.held import Held, around, padded
from workers.work import Work

log = logging.getLogger(__name__)

MOST = 64
"""Jobs in hand; more stay in the queue, where another worker can take them."""
WINDOW = 16
"""Texts of a job tokenised at a time, and ahead of the model; more where runs are larger."""
POOL = 4
"""Budgets of tokens among which the texts of one run are chosen."""
FAILED = "failed on these passages"
NO_NUMBER = "got a score from its model that is no number"

Batch = list[tuple[Work, int]]
"""Texts of one run: a job in hand and the place of one of its texts."""


class Scheduler:
    """`answer` is called once for each job, in one of the threads that compute or watch the time."""

    def __init__(self, answer: Callable[[Job, Reply], None], held: Sequence[Held]) -> None:
        self._answer = answer
        self._lock = threading.RLock()
        self._room, self._texts, self._pairs, self._times = (
            threading.Condition(self._lock) for _ in range(4)
        )
        self._hand: list[Work] = []
        self.busy_since: float | None = None
        """Unix time since which there is always a job in hand; None while there is none."""
        lanes = max((one.model.lanes for one in held), default=1)
        for target in [self._compute] * lanes + [self._prepare, self._watch]:
            threading.Thread(target=target, name=target.__name__.strip("_"), daemon=True).start()

    def submit(self, job: Job, held: Held, *, seconds: float) -> None:
        """Take a job in hand, to be answered within so many seconds; waits while there are many."""
        came = time.monotonic()
        with self._lock:
            while len(self._hand) >= MOST:
                self._room.wait()
            share_s = min((work.share_s for work in self._hand), default=0.0)
            self._hand.append(Work(job, held, came, came + seconds, share_s))
            self.busy_since = self.busy_since or time.time()
            self._texts.notify()
            self._times.notify()

    # --- Tokenising ---------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Keep pairs ready for the model, those of the job that has the fewest first."""
        while True:
            with self._lock:
                while (work := self._unprepared()) is None:
                    self._texts.wait()
                work.preparing = True
                work.begin(time.monotonic())
            first = len(work.pairs)
            texts = work.job.texts[first : first + _window(work.held)]
            try:
                pairs = work.held.model.pairs(work.job.query, texts)
            except Exception:
                log.exception("A job could not be tokenised.")
                pairs = None
            with self._lock:
                work.preparing = False
                work.end(time.monotonic())
                if pairs is None:
                    work.fail(FAILED)
                else:
                    work.waiting.extend(range(first, first + len(pairs)))
                    work.pairs.extend(pairs)
                if work.done:
                    self._times.notify()
                self._pairs.notify_all()

    def _unprepared(self) -> Work | None:
        wanting = (w for w in self._hand if w.to_prepare and len(w.waiting) < _window(w.held))
        return min(wanting, key=lambda work: (len(work.waiting), work.share_s), default=None)

    # --- Computing ----------------------------------------------------------------------------------------

    def _compute(self) -> None:
        while True:
            with self._lock:
                while not (batch := self._next()):
                    self._pairs.wait()
                held = batch[0][0].held
                began = time.monotonic()
                held.running += 1
                for work in _works(batch):
                    work.begin(began)
                for work, place in batch:
                    work.waiting.remove(place)
                self._texts.notify()
            outcome = self._run(held, [work.pairs[place] for work, place in batch])
            for job, reply in self._ended(batch, outcome, began):
                self._answer(job, reply)

    def _next(self) -> Batch:
        """The texts of the next run: that of the job least served, and what is merged with it."""
        now = time.monotonic()
        for head in sorted((work for work in self._hand if work.can_run), key=lambda work: work.share_s):
            held, left = head.held, head.until - now
            tokens, first = head.pairs[head.waiting[0]].tokens, not head.scored
            if held.seconds(tokens, hopeful=first) > left:
                head.no_more = True  # no time for this one, nor for those after it
                if first:
                    held.hope()
                self._times.notify()
                continue
            if not held.merges:
                return [(head, head.waiting[0])]
            pool = self._pool(head, now)
            lengths = [work.pairs[place].tokens for work, place in pool]
            return [pool[i] for i in around(lengths, held.tokens_in(left, hopeful=first))]
        return []

    def _pool(self, head: Work, now: float) -> Batch:
        """Texts that may go into a run with the first one of `head`, which stands first."""
        held = head.held
        patient = now + held.seconds(held.budget)
        others = [w for w in self._hand if w.held is held and w is not head and w.can_run]
        others = [work for work in others if work.until >= min(patient, head.until)]
        pool: Batch = []
        room = POOL * held.budget
        for work in (head, *sorted(others, key=lambda work: work.share_s)):
            for place in work.waiting:
                pool.append((work, place))
                room -= work.pairs[place].tokens
                if room <= 0:
                    return pool
        return pool

    def _run(self, held: Held, pairs: Sequence[Pair]) -> list[float | str]:
        """A score for each pair, or why it has none. What fails is halved until the one at fault is alone."""
        began = time.monotonic()
        try:
            scores = held.model.run(pairs)
            if len(scores) != len(pairs):
                raise RuntimeError(f"{len(scores)} scores for {len(pairs)} pairs")
        except Exception as error:
            if isinstance(error, MemoryError):
                log.warning("A run over %d tokens did not fit into memory.", padded(pairs))
                with self._lock:
                    held.out_of_memory(padded(pairs))
            elif len(pairs) == 1:
                log.exception("A run broke.")
            half = len(pairs) // 2
            return self._run(held, pairs[:half]) + self._run(held, pairs[half:]) if half else [FAILED]
        with self._lock:
            held.learn(padded(pairs), time.monotonic() - began)
        return [score if math.isfinite(score) else NO_NUMBER for score in scores]

    def _ended(self, batch: Batch, outcome: Sequence[float | str], began: float) -> list[tuple[Job, Reply]]:
        """Note what a run gave; the replies to the jobs that it was the last one of."""
        with self._lock:
            now = time.monotonic()
            batch[0][0].held.running -= 1
            longest = max(work.pairs[place].tokens for work, place in batch)
            for (work, place), score in zip(batch, outcome, strict=True):
                work.share_s += (now - began) / len(batch)
                work.tokens += longest
                if isinstance(score, str):
                    work.fail(score)
                else:
                    work.scored[place] = score
            done = []
            for work in _works(batch):
                work.end(now)
                if work.done and work in self._hand:
                    done.append((work.job, self._drop(work, now)))
            self._pairs.notify()
            return done

    # --- Time ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Answer jobs whose time is over, whatever their texts are at, and those that nothing runs for."""
        while True:
            with self._lock:
                now = time.monotonic()
                over = [
                    (work.job, self._drop(work, now))
                    for work in list(self._hand)
                    if work.until <= now or work.done
                ]
                if not over:
                    nearest = min((work.until for work in self._hand), default=None)
                    self._times.wait(None if nearest is None else max(0.0, nearest - now))
            for job, reply in over:
                self._answer(job, reply)

    def _drop(self, work: Work, now: float) -> Reply:
        self._hand.remove(work)
        work.no_more = True
        if not self._hand:
            self.busy_since = None
        self._room.notify()
        return work.reply(now)


def _window(held: Held) -> int:
    return max(WINDOW, held.budget // 32)


def _works(batch: Batch) -> list[Work]:
    """The jobs of a run, each once."""
    return list({id(work): work for work, _ in batch}.values())
