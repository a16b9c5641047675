"""Time since the question came, in milliseconds."""

import time

from rag.types import Timing


class Clock:
    def __init__(self) -> None:
        self._zero = time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self._zero) * 1000

    def since(self, step: str, started_ms: float, compute_ms: float | None = None) -> Timing:
        """The timing of a step that began at `started_ms` and ends now."""
        return Timing(step, started_ms, self.now() - started_ms, compute_ms)

    @staticmethod
    def deadline(budget_ms: float) -> float:
        """When a budget that begins now ends, in seconds of `time.monotonic()`."""
        return time.monotonic() + budget_ms / 1000
