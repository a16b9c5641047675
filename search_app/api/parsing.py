"""Bodies of requests: JSON that means one thing, within limits."""

import codecs
import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.parsers import MultiPartParser as _MultiPartParser

from search_app.api.problems import Problem

MAX_JSON_DEPTH = 20
MAX_JSON_VALUES = 20_000


class JSONParser(BaseParser):
    """JSON in UTF-8, within the view's `most_bytes`; a name twice, NaN and half a character are refused."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        most_bytes: int = (parser_context or {})["view"].most_bytes
        data = stream.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise Problem("too_large", f"The body is larger than {_size(most_bytes)}.")
        try:
            value = json.loads(
                data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_constant, parse_float=_float
            )
        except RecursionError as error:
            raise _too_deep() from error
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise ParseError(f"The body is not JSON: {error.msg} at {where}.") from error
        except ValueError as error:  # a number with thousands of digits
            raise ParseError("The body holds a number that is too large.") from error
        _check(value)
        return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ParseError("The body names a field twice in one object.")
    return made


def _constant(name: str) -> float:
    raise ParseError(f"The body holds {name}, which is no JSON.")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ParseError("The body holds a number that is too large.")
    return value


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested more than {MAX_JSON_DEPTH} deep.")


def _check(value: Any) -> None:
    """Depth, number of values, and that every text can be written again."""
    waiting, seen = [(value, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if depth > MAX_JSON_DEPTH:
            raise _too_deep()
        if seen > MAX_JSON_VALUES:
            raise Problem("too_large", f"The body holds more than {MAX_JSON_VALUES:,} values.")
        if isinstance(value, str):
            try:
                codecs.encode(value, "utf-8")
            except UnicodeEncodeError as error:
                raise ParseError("The body holds half of a character (a lone surrogate).") from error
        elif isinstance(value, dict):
            waiting.extend((part, depth + 1) for pair in value.items() for part in pair)
        elif isinstance(value, list):
            waiting.extend((part, depth + 1) for part in value)


class MultiPartParser(_MultiPartParser):
    """Forms with files, whose errors carry our sentence."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except ParseError as error:
            raise ParseError("The body is not a form with files: it is damaged or broke off.") from error


def refuse_larger(meta: Mapping[str, Any], most_bytes: int) -> None:
    """Refuse a body by the length that it says, before anything of it is read."""
    length = str(meta.get("CONTENT_LENGTH") or "")
    if "chunked" in str(meta.get("HTTP_TRANSFER_ENCODING", "")).lower() and not length:
        raise Problem("length_required", "Send the length of the body: chunked bodies are not read.")
    if length.isdecimal() and int(length) > most_bytes:
        raise Problem("too_large", f"The body is larger than {_size(most_bytes)}.")


def _size(number: int) -> str:
    return f"{number // 2**20} MB" if number >= 2**20 else f"{number // 1024} kB"
