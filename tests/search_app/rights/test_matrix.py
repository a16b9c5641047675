"""Every route, every kind of viewer, every method: what is answered stands in `matrix.txt`, line by line."""

import re
from collections.abc import Iterable

import pytest
from django.http import HttpResponseBase

from tests.search_app.rights import matrix
from tests.search_app.rights.indexing import Worker
from tests.search_app.rights.matrix import METHODS, Line
from tests.search_app.rights.people import ASKERS, KEYS, SECRETS, SESSIONS, TRUSTED, scene
from tests.search_app.rights.walking import Walk, text_of

REFUSED = frozenset({302, 400, 401, 403, 404, 405, 415})
"""What a method that a route does not take may be answered with."""
FEW = ("anon", "user", "super", "write")
"""Who tries what no route takes."""


@pytest.fixture
def walk(worker: Worker) -> Walk:
    return Walk(scene(worker))


def foreign(kind: str, response: HttpResponseBase) -> list[str]:
    """Private words that this kind of viewer is shown."""
    shown = text_of(response)
    words = [] if kind in TRUSTED else [word for word in SECRETS if word in shown]
    return words + [word for word, allowed in ASKERS.items() if word in shown and kind not in allowed]


def test_every_route_stands_in_the_matrix_and_every_line_has_a_route() -> None:
    written, there = {route for route, _ in matrix.lines()}, set(matrix.routes())
    assert not there - written, f"Not in {matrix.FILE.name}. Walk them, judge, and write a line each."
    assert not written - there, "There is no such route any more."


PARTS = [
    pytest.param("/api/", id="api"),
    pytest.param("/", id="pages"),
    pytest.param("/admin/", id="admin", marks=pytest.mark.slow),
]


def part(name: str) -> list[Line]:
    """The lines below `/api/`, below `/admin/`, or all others."""
    return [line for line in matrix.lines().values() if part_of(line.route) == name]


def part_of(route: str) -> str:
    return next((name for name in ("/api/", "/admin/") if route.startswith(name)), "/")


@pytest.mark.parametrize("name", PARTS)
def test_everybody_is_answered_as_it_is_written(walk: Walk, name: str) -> None:
    wrong = []
    for line in part(name):
        seen = dict(line.expected)
        for kind in kinds(line):
            response = walk.ask(line.route, line.method, kind)
            seen[kind] = response.status_code
            wrong += [f"{line.route} {line.method} shows {kind}: {w}" for w in foreign(kind, response)]
            wrong += [f"{line.route} {line.method} by {kind}: {w}" for w in kept_by_others(kind, response)]
        if seen != line.expected:
            wrong.append(f"is   {matrix.written(Line(line.route, line.method, seen))}")
            wrong.append(f"want {matrix.written(line)}")
    assert not wrong, "\n".join(["", *wrong])


def kinds(line: Line) -> Iterable[str]:
    """All of them; of the keys only two where a key is meant to count for nothing."""
    blind = {line.expected[kind] for kind in KEYS} == {line.expected["anon"]}
    return (*SESSIONS, *(("read", "chief") if blind else KEYS))


def kept_by_others(kind: str, response: HttpResponseBase) -> Iterable[str]:
    """Private words may not stay in a cache that other people share."""
    if kind in TRUSTED and any(word in text_of(response) for word in SECRETS):
        stored = response.headers.get("Cache-Control", "")
        varies = response.headers.get("Vary", "").lower()
        if not re.search("private|no-store", stored) and "cookie" not in varies:
            yield "a shared cache could keep private text"


def test_what_is_private_is_answered_as_what_is_not_there(walk: Walk) -> None:
    """In the same words and headers, to whoever may not read it: nobody learns that it exists."""
    wrong = []
    for line in matrix.lines().values():
        if not matrix.parameters(line.route) or part_of(line.route) == "/admin/":
            continue
        for kind in kinds(line):
            if line.expected[kind] == 404 or (line.expected[kind] >= 400 and kind not in TRUSTED):
                private = walk.ask(line.route, line.method, kind)
                missing = walk.ask(line.route, line.method, kind, missing=True)
                if walk.plain(private) != walk.plain(missing):
                    wrong.append(f"{line.route} {line.method} {kind}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("name", PARTS)
def test_what_a_route_does_not_take_is_refused_and_changes_nothing(walk: Walk, name: str) -> None:
    written, wrong = matrix.lines(), []
    before = walk.rows()
    for route in matrix.routes():
        if part_of(route) != name:
            continue
        for method in METHODS:
            for kind in FEW if (route, method) not in written else ():
                response = walk.ask(route, method, kind, keep=True)
                as_get = written[route, "GET"].expected[kind] if (route, "GET") in written else None
                if response.status_code not in {*REFUSED, as_get} or foreign(kind, response):
                    wrong.append(f"{route} {method} {kind}: {response.status_code}")
    assert not wrong, "\n".join(["", *wrong])
    assert walk.rows() == before


def test_a_session_writes_nothing_without_its_token(walk: Walk) -> None:
    wrong = []
    before = walk.rows()
    for line in matrix.lines().values():
        if line.method == "GET":
            continue
        for kind in ("anon", "owner", "super"):
            response = walk.ask(line.route, line.method, kind, csrf=True, keep=kind != "anon")
            if line.expected[kind] < 400 and response.status_code != 403 and not free(kind, response, line):
                wrong.append(f"{line.route} {line.method} {kind}: {response.status_code}")
    assert not wrong, "\n".join(["", *wrong])
    assert walk.rows() == before


def free(kind: str, response: HttpResponseBase, line: Line) -> bool:
    """Nobody in particular has nothing to lose: he is sent to sign in, or asks without a session."""
    return kind == "anon" and (
        response.status_code == 302 or line.route in {"/api/v1/search", "/api/v1/answers"}
    )
