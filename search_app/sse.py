"""Frames of server-sent events."""

import json
import re

_LINE_END = re.compile(r"\r\n|\r|\n")


def event(name: str, data: str) -> str:
    """One event; every line of the data gets a field of its own, so that nothing in it can end the event."""
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"event: {name}\n{lines}\n"


def json_event(name: str, data: object) -> str:
    return event(name, json.dumps(data, ensure_ascii=False))


def comment() -> str:
    """A frame that says nothing: writing it shows whether somebody still listens."""
    return ":\n\n"
