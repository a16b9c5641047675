"""A reply that is read while it is written, by a thread of its own: whoever waits for it may leave."""

import queue
import threading
import time
from collections.abc import Iterator

from rag.sockets import Hold, holding

WAKE_S = 0.25
"""Whoever iterates gets an empty piece after so long without one, and with it a chance to leave."""
END_S = 1.0
"""Longest that leaving waits for the thread. A look-up of a name cannot be broken off: it goes on alone."""


class Stream:
    """Iterate once, in one thread, and close it in any case."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """`pieces` are read by another thread, from now on; see `rag.exchange.Client.pieces`."""
        self._arrived: queue.SimpleQueue[tuple[float, bytes | BaseException | None]] = queue.SimpleQueue()
        self._hold = Hold()
        self._thread = threading.Thread(target=self._read, args=(pieces,), name="stream", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[tuple[float, bytes]]:
        """Pieces and when they came, by the monotonic clock. Raises what reading raised, in its place."""
        while True:
            try:
                at, item = self._arrived.get(timeout=WAKE_S)
            except queue.Empty:
                yield time.monotonic(), b""
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield at, item

    def close(self, grace_s: float = 0.0) -> None:
        """End the connection, unless the reply ends by itself within so many seconds: then it is kept."""
        if grace_s:
            self._thread.join(grace_s)
        self._hold.end()
        self._thread.join(END_S)

    def _read(self, pieces: Iterator[bytes]) -> None:
        last: BaseException | None = None
        try:
            with holding(self._hold):
                for piece in pieces:
                    self._arrived.put((time.monotonic(), piece))
        except BaseException as error:
            last = error
        self._arrived.put((time.monotonic(), last))
