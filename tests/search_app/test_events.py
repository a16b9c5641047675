"""The catalog of events and the places that log them, held equal in both directions."""

import ast
from collections.abc import Iterator
from pathlib import Path

from search_app.events import CATALOG

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("search_app", "workers")


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of `event(...)` or `events.event(...)` outside the catalog itself."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            source = path.read_text("utf-8")
            if (
                path.name == "events.py"
                or "search_app.events" not in source
                and "import events" not in source
            ):
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {"event", "events.event"}:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_each_call_names_an_event_and_just_its_fields() -> None:
    found = list(calls())
    assert found
    for where, call in found:
        assert len(call.args) == 1, where
        assert isinstance(call.args[0], ast.Constant), f"{where}: the name must stand in the code"
        assert call.args[0].value in CATALOG, where
        given = {keyword.arg for keyword in call.keywords} - {"error"}
        assert given == CATALOG[call.args[0].value].fields.keys(), where


def test_each_event_of_the_catalog_is_logged_somewhere() -> None:
    logged = {call.args[0].value for _, call in calls()}
    assert CATALOG.keys() - logged == set()


def test_there_is_no_field_for_text() -> None:
    """A field holds a number, a flag, an id or a short word; none may take a sentence."""
    for name, event in CATALOG.items():
        for field, kind in event.fields.items():
            assert not kind("two words"), f"{name}.{field}"
            assert not kind("x" * 200), f"{name}.{field}"
