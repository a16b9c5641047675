"""Until when whatever is asked of other machines must have ended."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_until: ContextVar[float] = ContextVar("until", default=math.inf)


@contextmanager
def within(until: float) -> Iterator[None]:
    """Whatever is asked in here ends then, in seconds of `time.monotonic()`."""
    token = _until.set(min(until, _until.get()))
    try:
        yield
    finally:
        _until.reset(token)


def left() -> float:
    """Seconds until the end of the `within` around; infinite outside."""
    return _until.get() - time.monotonic()
