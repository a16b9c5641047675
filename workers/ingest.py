"""What the ingest worker does, as plain functions: the queue's tasks and timers call them."""

import os
import threading
from time import monotonic

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "search_app.settings")
    django.setup()

from rag.errors import IndexBusy, SieveError  # noqa: E402
from search_app import pipelines, reindexing, upkeep  # noqa: E402  (rows can be imported only now)
from search_app.events import event  # noqa: E402
from search_app.ingest_stages import OUTAGES  # noqa: E402
from search_app.waits import Waits  # noqa: E402

ROUND_S = 20.0
"""A piece of work lasts so long, and then as long as it takes to end what was begun."""

_stopped = threading.Event()
_first = True
_waits = Waits()
_not_before = 0.0
"""Monotonic time before which nothing is tried again."""
_trouble = ""


def work() -> bool:
    """Take up documents that are due, for about 20 seconds. True: there is more to do, call again.

    False at once when nothing is due, when others have all of it in hand, and after something that keeps
    it from working, such as an index that is away, a model that is not here, or a full disk: what was in
    hand is queued again without a lost attempt, and it is tried again after a pause that grows.
    """
    global _first
    if _is_waiting() or (not _first and not upkeep.due()):
        return False
    began = monotonic()
    try:
        with pipelines.ingest() as ingest:
            report = ingest.run(ROUND_S, stop=_stopped.is_set)
        built = not _stopped.is_set() and reindexing.piece(ROUND_S, _stopped.is_set)
    except IndexBusy:
        return False
    except OUTAGES as error:
        _wait(error)
        return False
    _first = False
    reset()
    done_something = built or report.documents or report.removed or monotonic() - began >= ROUND_S
    return bool(done_something) and not _stopped.is_set() and upkeep.due()


def tick() -> bool:
    """What is to be done every few seconds. True: there is work, send a hint to the ingest queue.

    A worker that has just started looks in any case: the one before it may have died at its work.
    """
    upkeep.upkeep()
    return not _is_waiting() and (_first or upkeep.due())


def stop() -> None:
    """Let a `work` that runs in another thread of this process end soon; it gives back what it claimed."""
    _stopped.set()


def trouble() -> str:
    """What keeps this worker from working, in a sentence; nothing when it can."""
    return _trouble


def reset() -> None:
    """It works again."""
    global _not_before, _trouble
    _not_before, _trouble = 0.0, ""
    _waits.reset()


def _is_waiting() -> bool:
    return monotonic() < _not_before


def _wait(error: BaseException) -> None:
    global _not_before, _trouble
    pause_s = _waits.next()
    _not_before = monotonic() + pause_s
    _trouble = str(error) if isinstance(error, SieveError) else f"Something it needs fails: {_named(error)}."
    event("ingest_waits", failures=_waits.failures, pause_s=pause_s, error=error)


def _named(error: BaseException) -> str:
    """Without the message of a database, which may quote what was to be written."""
    reason = error.strerror if isinstance(error, OSError) else ""
    return f"{reason} ({type(error).__name__})" if reason else type(error).__name__
