"""How fast each reranker is on this machine, learned from what it did: what a cascade plans with.

Nothing is declared: a process that begins knows nothing, has its first question scored at full depth under
the deadline, and plans from then on. Time is what the asker saw: waiting for a worker or a service counts.
"""

import threading
from collections.abc import Sequence
from typing import Literal

from rag.types import ScoreKind

FORGET = 0.9
"""What an observation weighs after the next one."""
CALM = 0.99
"""What the margin shrinks by with each time that kept its deadline: a hundred of them undo a late one."""
MOST_MARGIN = 0.5
"""Share of the time allowed that a margin may take: whoever waits was promised the time, not the depth."""


class Pace:
    """A line over tokens, so many milliseconds a call and so many a token. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n = self._x = self._y = self._xx = self._xy = 0.0
        self._error = self._late_ms = 0.0
        self.kind: ScoreKind | None = None
        """What its scores were, as soon as there were some."""
        self.at_the_deadline: Literal["", "prefix", "nothing"] = ""
        """What it gave when its time ended: the scores it had, or none at all; nothing while unknown."""

    def expected_ms(self, tokens: int) -> float | None:
        """What so many tokens will take, on the safe side; None before anything was learned."""
        with self._lock:
            if not self._n:
                return None
            return self._line(tokens) * (1 + min(max(2 * self._error, 0.05), 1.0))

    def learn(self, tokens: int, elapsed_ms: float) -> None:
        with self._lock:
            if self._n and (expected := self._line(tokens)) > 0:
                self._error += 0.1 * (abs(elapsed_ms / expected - 1) - self._error)
            sums = (1.0, tokens, elapsed_ms, tokens * tokens, tokens * elapsed_ms)
            before = (self._n, self._x, self._y, self._xx, self._xy)
            after = (FORGET * was + new for was, new in zip(before, sums, strict=True))
            self._n, self._x, self._y, self._xx, self._xy = after

    def learn_late(self, late_ms: float) -> None:
        """Told after each time that a deadline cut off: how late it ended, below nought where in time."""
        with self._lock:
            self._late_ms = max(self._late_ms * CALM, late_ms)

    def margin_ms(self, allowed_ms: float) -> float:
        """How much sooner it must be told to end, to end in time 99 times of a hundred."""
        return min(self._late_ms, allowed_ms * MOST_MARGIN)

    def reach(self, tokens: Sequence[int], allowed_ms: float, known: Sequence[bool] = ()) -> int:
        """How many texts of these lengths, from the first on, can be scored in the time allowed.

        At least 1 that is not known: who asks again goes deeper, however slow it once was.

        All of them where no pace is known, or where it keeps what it has when its time ends. `known` says of
        each whether its score is kept from before: such a one takes no time.
        """
        if self.at_the_deadline != "nothing":
            return len(tokens)
        total = 0
        for place, length in enumerate(tokens):
            if known and known[place]:
                continue
            total += length
            expected = self.expected_ms(total)
            if expected is None:
                break
            if expected > allowed_ms:
                return place + (total == length)
        return len(tokens)

    def _line(self, tokens: float) -> float:
        spread = self._n * self._xx - self._x * self._x
        slope = (self._n * self._xy - self._x * self._y) / spread if spread > 1e-6 * self._x**2 else 0.0
        call = (self._y - slope * self._x) / self._n
        if slope <= 0 or call < 0:  # too alike to tell a call's part from a token's
            slope, call = self._y / max(self._x, 1.0), 0.0
        return call + slope * tokens


class Paces:
    """The pace of every reranker of this process, by fingerprint."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, Pace] = {}

    def of(self, fingerprint: str) -> Pace:
        with self._lock:
            return self._of.setdefault(fingerprint, Pace())


def share_ms(left_ms: float, wanted_ms: Sequence[float]) -> float:
    """What the first of several stages may take of the time left.

    Where there is enough it is what the others leave; in a shortage all stages shrink by the same factor.

    >>> share_ms(1000, [300, 500]), share_ms(400, [300, 500])
    (500, 150.0)
    """
    total = sum(wanted_ms)
    return left_ms - (total - wanted_ms[0]) if total <= left_ms else left_ms * wanted_ms[0] / total
