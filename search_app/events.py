"""The closed catalog of what Sieve logs. An event holds ids, counts, milliseconds and words of its own.

`event("question", trace=..., total_ms=...)` is the one way to log; other names and other fields are
refused. Texts of questions and documents, names of files and whatever else people type have no field.
"""

import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search_app.logs import OWN

Kind = Callable[[object], bool]
"""Whether a value may stand in a field."""

_NAME = re.compile(r"[A-Za-z0-9_:.-]{1,100}\Z")


def count(value: object) -> bool:
    return isinstance(value, int)


def ms(value: object) -> bool:
    return isinstance(value, int | float)


def flag(value: object) -> bool:
    return isinstance(value, bool)


def ident(value: object) -> bool:
    """A number or a UUID."""
    return value is None or isinstance(value, int | uuid.UUID)


def name(value: object) -> bool:
    """A word that the code or an admin chose, such as that of a route, a pipeline or a class."""
    return isinstance(value, str) and bool(_NAME.match(value))


@dataclass(frozen=True, slots=True)
class Event:
    level: int
    fields: Mapping[str, Kind]


CATALOG: Mapping[str, Event] = {
    # A question was answered, or went as far as it went: its trace is kept.
    "question": Event(
        logging.INFO,
        {
            "trace": ident,
            "pipeline": name,
            "rerank": name,
            "degraded": flag,
            "index": name,
            "answered": flag,
            "readable": count,
            "candidates": count,
            "passages": count,
            "finish": name,
            "sentences": count,
            "unsupported": count,
            "first_ms": ms,
            "total_ms": ms,
        },
    ),
    # The index was away when this question came: nothing was searched, and it was told so.
    "nothing_searched": Event(logging.WARNING, {"trace": ident}),
    # A request was answered. Of an event stream: `elapsed_ms` is until its first piece.
    "request": Event(
        logging.INFO,
        {"route": name, "method": name, "status": count, "elapsed_ms": ms, "user": ident},
    ),
    # A body was refused unread because it is too large.
    "body_refused": Event(logging.WARNING, {"bytes": count, "limit": count}),
    # From now on web processes count requests together (or each for itself, because Redis is away).
    "rates_shared": Event(logging.WARNING, {"shared": flag}),
    # From now on processes share the scores they keep (or each has its own, because Redis is away).
    "scores_shared": Event(logging.WARNING, {"shared": flag}),
    "signed_in": Event(logging.INFO, {"user": ident}),
    "sign_in_failed": Event(logging.WARNING, {"failures": count}),
    "sign_in_locked": Event(logging.WARNING, {"failures": count}),
    # Somebody asked with the rights of another user; the trace says so too.
    "searched_as": Event(logging.WARNING, {"user": ident, "as_user": ident, "trace": ident}),
    # Another spec answers under this name from now on; `version` 0 is the file.
    "pipeline_changed": Event(logging.WARNING, {"user": ident, "pipeline": name, "version": count}),
    # A part of the installation is not well; see `search_app.health`.
    "part_not_well": Event(logging.WARNING, {"part": name}),
    # An ingest run came to its end, of a worker or a command.
    "ingested": Event(
        logging.INFO,
        {
            "indexed": count,
            "unchanged": count,
            "failed": count,
            "again": count,
            "refused": count,
            "passages": count,
            "elapsed_ms": ms,
        },
    ),
    # Something unexpected happened over a document; it is tried again, or failed after the last attempt.
    "attempt_broke": Event(logging.ERROR, {"document": ident, "attempt": count}),
    # The ingest worker cannot work now: it queued again what it had in hand, and tries after a pause.
    "ingest_waits": Event(logging.WARNING, {"failures": count, "pause_s": ms}),
    # A version of the index on a cluster was built, put in use (again), or dropped.
    "reindexed": Event(logging.INFO, {"version": name, "documents": count, "problems": count}),
    "index_switched": Event(logging.WARNING, {"version": name, "rollback": flag}),
    "index_dropped": Event(logging.WARNING, {"version": name}),
    # Somebody built, switched or dropped a version on the page of the index.
    "index_action": Event(logging.WARNING, {"user": ident, "action": name}),
    # What had had its time was cleared away.
    "cleared": Event(logging.INFO, {"files": count, "responses": count, "texts": count}),
    "traces_expired": Event(
        logging.INFO, {"traces": count, "conversations": count, "texts": count, "elapsed_ms": ms}
    ),
}


def event(event_name: str, /, *, error: BaseException | None = None, **fields: object) -> None:
    """Log one. Raises `ValueError` for a name or a field that is not in the catalog.

    A value that is not of its field's kind is written as `refused`. Of `error` its class and frames are
    written, never its message.
    """
    known = CATALOG.get(event_name)
    if known is None:
        raise ValueError(f"There is no event {event_name!r} in the catalog.")
    if fields.keys() != known.fields.keys():
        raise ValueError(f"The event {event_name} has the fields {', '.join(known.fields) or 'none'}.")
    log = logging.getLogger(OWN)
    if log.isEnabledFor(known.level):
        checked = {
            key: _value(value) if known.fields[key](value) else "refused" for key, value in fields.items()
        }
        trace = (type(error), error, error.__traceback__) if error is not None else None
        log.log(known.level, event_name, extra={"event": event_name, "fields": checked}, exc_info=trace)


def _value(value: object) -> object:
    if isinstance(value, uuid.UUID):
        return str(value)
    return round(value, 2) if isinstance(value, float) else value
