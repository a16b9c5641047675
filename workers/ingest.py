"""What the ingest worker does, as plain functions: the queue's tasks and timers call them."""

import os
import threading

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "search_app.settings")
    django.setup()

from rag.errors import IndexBusy  # noqa: E402
from search_app import pipelines, upkeep  # noqa: E402  (rows can be imported only now)

ROUND_S = 20.0
"""A piece of work lasts so long, and then as long as it takes to end what was begun."""

_stopped = threading.Event()
_first = True


def work() -> bool:
    """Take up documents that are due, for about 20 seconds. True: there is more to do, call again.

    False at once when nothing is due, or when another process is at it. Raises what keeps it from
    working, such as a model that is not here or a full disk: try again later.
    """
    global _first
    if not _first and not upkeep.due():
        return False
    try:
        with pipelines.ingest() as ingest:
            _first = False
            ingest.run(ROUND_S, stop=_stopped.is_set)
    except IndexBusy:
        return False
    return not _stopped.is_set() and upkeep.due()


def tick() -> bool:
    """What is to be done every few seconds. True: there is work, send a hint to the ingest queue.

    A worker that has just started looks in any case: the one before it may have died at its work.
    """
    upkeep.upkeep()
    return _first or upkeep.due()


def stop() -> None:
    """Let a `work` that runs in another thread of this process end soon; it gives back what it claimed."""
    _stopped.set()
