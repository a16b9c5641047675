"""Iterate in a thread of its own, a few items ahead of whoever reads."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
_END = object()


class Ahead(Generic[T]):
    """The items of an iterable, in order, made in a thread that is at most `size` items ahead.

    Chained, each stage runs beside the others: `Ahead(map(encode, Ahead(map(parse, files), 2)), 16)`.
    An error of the iterable is raised where its item would have come. Use as a context manager: leaving
    it ends the thread, after the item that it is working on.
    """

    def __init__(self, items: Iterable[T], size: int) -> None:
        self._items = items
        self._queue: queue.Queue[object] = queue.Queue(size)
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Ahead[T]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._get()
            if item is _END:
                if self._error is not None:
                    raise self._error
                return
            yield item  # type: ignore[misc]

    @property
    def ready(self) -> bool:
        """Whether the next item is here already."""
        return not self._queue.empty()

    def take(self, timeout: float) -> T | None:
        """The next item, or None when none came within so many seconds, or none will come."""
        try:
            item = self._queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if item is _END:
            if self._error is not None:
                raise self._error
            return None
        return item  # type: ignore[return-value]

    def _get(self) -> object:
        """The next item, or the end as soon as the thread was told to stop."""
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=0.2)
            except queue.Empty:
                continue
        return _END

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:
            self._error = error
        self._put(_END)

    def _put(self, item: object) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False


class Feed(Generic[T]):
    """Items for an `Ahead`, put in from outside; iterating waits for them until it is closed."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()

    def put(self, item: T) -> None:
        self._queue.put(item)

    def drain(self) -> list[T]:
        """Take back what nobody has begun with."""
        items: list[object] = []
        while True:
            try:
                items.append(self._queue.get_nowait())
            except queue.Empty:
                return items  # type: ignore[return-value]

    def close(self) -> None:
        self._queue.put(_END)

    def __iter__(self) -> Iterator[T]:
        while (item := self._queue.get()) is not _END:
            yield item  # type: ignore[misc]
