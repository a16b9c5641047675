"""Pauses that grow while something does not answer, so that it is not asked the harder the worse it is."""

import random
import time
from dataclasses import dataclass

FIRST_S = 1.0
LONGEST_S = 30.0
PATIENCE_S = 120.0
"""How long somebody at a terminal is kept waiting."""


@dataclass(slots=True)
class Waits:
    """The pauses after failures in a row."""

    failures: int = 0
    since: float = 0.0
    """Monotonic time of the first of them."""

    @property
    def goes_on(self) -> bool:
        """Whether it began so short a while ago that somebody may wait for it to end."""
        return not self.failures or time.monotonic() - self.since < PATIENCE_S

    def next(self) -> float:
        """Seconds to wait after one more failure: about twice as many as the time before."""
        if not self.failures:
            self.since = time.monotonic()
        pause = min(LONGEST_S, FIRST_S * 2.0**self.failures)
        self.failures = min(self.failures + 1, 10)
        return pause * random.uniform(0.7, 1.3)

    def reset(self) -> None:
        self.failures = 0
