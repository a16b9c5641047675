"""Log lines that hold ids, counts and milliseconds, never what people ask, write or upload.

Sieve's own lines are events (`search_app.events`), checked against a catalog. Of what other packages log
only this is kept: the logger, the level, the place in the code, the message as it stands in that code,
without what was filled in, and of an exception its class and frames. Needs no Django: workers use it too.
"""

import json
import logging
import logging.config
import os
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

OWN = "sieve"
"""Logger of the events."""
MAX_FRAMES = 30

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that this thread is at: stands in every line that it causes."""


def new_request_id() -> str:
    """A random one; it is never taken from the client, who could put words into it."""
    fresh = uuid.uuid4().hex
    request_id.set(fresh)
    return fresh


# --- Configuration -----------------------------------------------------------------------------------------


def config(*, level: str = "", style: str = "") -> dict[str, Any]:
    """For `logging.config.dictConfig`, in a web process, a worker or a command.

    `level` is that of Sieve's own events; others are heard from WARNING on. `style` is `json` or `plain`;
    without one it is plain where stderr is a terminal, and JSON elsewhere.
    """
    style = style or os.environ.get("SIEVE_LOG_FORMAT") or ("plain" if sys.stderr.isatty() else "json")
    level = (level or os.environ.get("SIEVE_LOG_LEVEL") or "WARNING").upper()
    formatter = "search_app.logs.PlainFormatter" if style == "plain" else "search_app.logs.JsonFormatter"
    through = {"handlers": [], "propagate": True}  # takes away what a package hung in by itself
    others = dict.fromkeys(
        ("django", "django.server", "gunicorn.error", "gunicorn.access", "celery", "py.warnings"), "WARNING"
    )
    # Their warnings are said already, by the events `request`, `sign_in_failed` and `sign_in_locked`.
    others |= {"django.request": "ERROR", "axes": "ERROR"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"sieve": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "sieve"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {OWN: {"level": level}}
        | {name: {**through, "level": least} for name, least in others.items()},
    }


def configure(wanted: Mapping[str, Any] | None = None) -> None:
    """Put it into force. A thread that breaks is logged as well, instead of printed with its message."""
    logging.config.dictConfig(dict(wanted or config()))
    logging.raiseExceptions = False  # the report of a failed log call would print its arguments
    threading.excepthook = _thread_broke


def _thread_broke(broke: threading.ExceptHookArgs) -> None:
    if broke.exc_value is not None and not isinstance(broke.exc_value, SystemExit):
        trace = (broke.exc_type, broke.exc_value, broke.exc_traceback)
        logging.getLogger(__name__).error("A thread ended by an exception.", exc_info=trace)


# --- Formatters --------------------------------------------------------------------------------------------


def told(record: logging.LogRecord) -> dict[str, Any]:
    """All that may be written of a record, in the order in which it is written."""
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    event = getattr(record, "event", None)
    if record.name == OWN and event is not None:
        line |= {"event": event, **record.fields}  # type: ignore[attr-defined]
    else:
        line["at"] = f"{_short(record.pathname)}:{record.lineno}"
        if isinstance(record.msg, str) and record.msg in _literals(record.pathname):
            line["message"] = record.msg
    if request := request_id.get():
        line["request"] = request
    if record.exc_info and record.exc_info[1] is not None:
        line["exceptions"] = [_class(error) for error in _chain(record.exc_info[1])]
        frames = traceback.extract_tb(record.exc_info[2])[-MAX_FRAMES:]
        line["frames"] = [f"{_short(frame.filename)}:{frame.lineno}" for frame in frames]
    return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(told(record), separators=(",", ":"), default=str)


class PlainFormatter(logging.Formatter):
    """The same facts for eyes."""

    def format(self, record: logging.LogRecord) -> str:
        line = told(record)
        head = [line.pop("time")[11:23], line.pop("level").upper().ljust(7)]
        logger, name = line.pop("logger"), line.pop("event", None)
        head.append(name or f"{logger}: {line.pop('message', '(message left out)')}")
        frames = "".join(f"\n    {frame}" for frame in line.pop("frames", ()))
        return " ".join([*head, *(f"{key}={value}" for key, value in line.items())]) + frames


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that it came from, the last one first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _class(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _short(path: str) -> str:
    """A source file without the folders of this machine: from the package on."""
    parts = Path(path).parts
    return "/".join(parts[-3:]) if len(parts) > 2 else path


@lru_cache(maxsize=256)
def _literals(path: str) -> frozenset[str]:
    """The strings that stand in a source file.

    A message that is not among them was filled in before it was logged: it may hold anything.
    """
    try:
        source = Path(path).read_bytes()
        return frozenset(_strings(compile(source, path, "exec", dont_inherit=True)))
    except (OSError, SyntaxError, ValueError):
        return frozenset()


def _strings(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _strings(constant)
