"""JSON and JSON Lines: a line `key: value` for each value, an empty line between records."""

import json
from collections.abc import Iterator
from typing import Any

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.decode import decode

SUFFIXES = (".json", ".jsonl", ".ndjson")


def parse(data: bytes, name: str) -> ParsedDocument:
    """Keys of inner objects are joined by dots; values of a list repeat their key."""
    composer = Composer()
    for record in _records(decode(data)):
        composer.gap()
        for key, value in _leaves(record):
            composer.line(f"{key}: {value}" if key else value)
    return composer.finish(name)


def _records(text: str) -> Iterator[Any]:
    text = text.strip()
    try:
        whole = _load(text)
    except ValueError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        try:
            # Strings hold no line ends in JSON, so a line that is valid alone is a record.
            records = [_load(line) for line in lines]
        except ValueError:
            raise ParseError(f"The file is not valid JSON: {error}.") from error
        yield from records
    else:
        yield from whole if isinstance(whole, list) else [whole]


def _load(text: str) -> Any:
    # Numbers stay as they are written: 1.10 is not 1.1 to a reader.
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)


def _leaves(value: Any) -> Iterator[tuple[str, str]]:
    """(dotted key, text) of every value, in order; walks without recursion."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        key, here = stack.pop()
        if isinstance(here, dict):
            stack += [(f"{key}.{k}" if key else str(k), v) for k, v in reversed(here.items())]
        elif isinstance(here, list):
            stack += [(key, v) for v in reversed(here)]
        elif isinstance(here, bool):
            yield key, "true" if here else "false"
        elif here is not None:
            yield key, str(here)
