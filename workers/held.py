"""A model that the worker holds: how large its runs may be, and how long one will take."""

import time
from collections.abc import Sequence

from rag.rerank.base import Pair, PairModel

QUESTION = "how many people live there"
SHORT, LONG = "three and a half million", "three and a half million people " * 16
"""Texts of which the time of a run is learnt at the start."""


class Held:
    """A model with what was learnt of it. Whoever calls it holds the scheduler's lock."""

    def __init__(self, model: PairModel) -> None:
        """Warms the model up with its smallest and its largest run."""
        self.model = model
        self.budget = max(1, model.batch_tokens)
        """Tokens of one run, padding included; 1: a pair a run. It falls where memory does not do."""
        self.running = 0
        """Runs that go on at this moment."""
        self._slower = self._least = 1.0
        self._run_s, self._token_s = self._measured()

    @property
    def merges(self) -> bool:
        """Whether several pairs go into one run."""
        return self.budget > 1

    def seconds(self, tokens: int, *, hopeful: bool = False) -> float:
        """How long a run over so many tokens will take, as runs take now, or at the best that was seen.

        A machine that others use is slower, for a while. Who asks for the first text of a job is to hope:
        an estimate that got too long would else never be put right.
        """
        return (self._least if hopeful else self._slower) * (self._run_s + tokens * self._token_s)

    def tokens_in(self, seconds: float, *, hopeful: bool = False) -> int:
        """Tokens of the largest run that ends within so many seconds and fits into the budget."""
        slower = self._least if hopeful else self._slower
        return min(self.budget, int((seconds / slower - self._run_s) / self._token_s))

    def learn(self, tokens: int, seconds: float) -> None:
        slower = max(1e-3, seconds / (self._run_s + tokens * self._token_s))
        self._slower += 0.1 * (slower - self._slower)
        self._least = min(self._least, slower)

    def hope(self) -> None:
        """Somebody's first text was not begun. If that goes on it is tried, whatever was seen."""
        self._least *= 0.8

    def out_of_memory(self, tokens: int) -> None:
        """A run over so many tokens did not fit: no more than half of it from now on."""
        self.budget = max(1, min(self.budget, tokens // 2))

    def _measured(self) -> tuple[float, float]:
        """Seconds of a run, whatever its size, and of each of its tokens."""
        few, one = self.model.pairs(QUESTION, [SHORT]), self.model.pairs(QUESTION, [LONG])
        while True:
            many = one * max(1, self.budget // one[0].tokens)
            try:
                long_s = self._timed(many)
                break
            except MemoryError:
                if len(many) == 1:
                    raise
                self.out_of_memory(padded(many))
        short_s, fewer = self._timed(few), padded(few)
        more = padded(many)
        if long_s <= short_s or more <= fewer:
            return 0.0, max(long_s, 1e-6) / more
        token_s = (long_s - short_s) / (more - fewer)
        return max(0.0, short_s - fewer * token_s), token_s

    def _timed(self, pairs: Sequence[Pair]) -> float:
        """The shortest of three runs after the first one, which is slower in any case."""
        self.model.run(pairs)
        took = []
        for _ in range(3):
            began = time.monotonic()
            self.model.run(pairs)
            took.append(time.monotonic() - began)
        return min(took)


def padded(pairs: Sequence[Pair]) -> int:
    """Tokens of a run over these pairs."""
    return len(pairs) * max(pair.tokens for pair in pairs)


def around(lengths: Sequence[int], budget: int) -> list[int]:
    """Which texts of these lengths go into one run with the first, padding included.

    Those nearest to it in length, so that little is padded.

    >>> around([100, 500, 90, 120, 20], 400)
    [0, 2, 3]
    """
    chosen, longest = [0], lengths[0]
    for place in sorted(range(1, len(lengths)), key=lambda place: abs(lengths[place] - lengths[0])):
        most = max(longest, lengths[place])
        if (len(chosen) + 1) * most <= budget:
            chosen.append(place)
            longest = most
    return chosen
