"""The routes there are, and the written matrix of who is answered what: `matrix.txt`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.urls import URLPattern, URLResolver, get_resolver

from tests.search_app.rights.people import KEYS, KINDS, SESSIONS

FILE = Path(__file__).with_name("matrix.txt")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")
_APPS = re.compile(r"\(\?P<app_label>[^)]*\)")


@dataclass(frozen=True)
class Line:
    """What each kind of viewer is answered at a route; `=` in the file says: a key counts for nothing."""

    route: str
    method: str
    expected: dict[str, int]


def routes() -> list[str]:
    """Every route of the application, once, with its parameters as they are declared."""
    return sorted(set(_below(get_resolver(), "/")))


def _below(resolver: URLResolver, before: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(pattern, URLPattern):
            yield _APPS.sub("(?P<app_label>...)", route)  # the admin lists its apps there, in any order
        else:
            yield from _below(pattern, route)


def parameters(route: str) -> list[str]:
    return [plain or named for plain, named in _PARAMETER.findall(route)]


def address(route: str, values: dict[str, object]) -> str:
    """The route with these values for its parameters."""
    path = _PARAMETER.sub(lambda found: str(values[found[1] or found[2]]), route)
    return path.replace("\\.", ".")


def lines() -> dict[tuple[str, str], Line]:
    """The matrix as it is written."""
    read: dict[tuple[str, str], Line] = {}
    for number, text in enumerate(FILE.read_text().splitlines(), start=1):
        if not text.strip() or text.startswith("#"):
            continue
        place, _, statuses = text.partition(" | ")
        sessions, _, keys = statuses.partition(" | ")
        route, method = place.split()
        expected = dict(zip(SESSIONS, map(int, sessions.split()), strict=True))
        own = [expected["anon"]] * len(KEYS) if keys.strip() == "=" else list(map(int, keys.split()))
        expected |= dict(zip(KEYS, own, strict=True))
        if (route, method) in read or method not in METHODS:
            raise ValueError(f"{FILE.name}, line {number}: {route} {method} stands there twice or is none.")
        read[route, method] = Line(route, method, expected)
    return read


def written(line: Line) -> str:
    """A line as it is written in the file."""
    sessions = " ".join(str(line.expected[kind]) for kind in SESSIONS)
    own = [line.expected[kind] for kind in KINDS[len(SESSIONS) :]]
    keys = "=" if set(own) == {line.expected["anon"]} else " ".join(map(str, own))
    return f"{line.route:<62} {line.method:<6} | {sessions} | {keys}"
