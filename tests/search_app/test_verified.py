"""The note of the last check of the index: written, read, and harmless when it is damaged."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from search_app import verified


def test_before_any_check_there_is_none(settings: object, tmp_path: Path) -> None:
    settings.INDEX_DIR = tmp_path / "index"  # type: ignore[attr-defined]
    assert verified.last() is None


def test_the_last_check_counts(settings: object, tmp_path: Path) -> None:
    settings.INDEX_DIR = tmp_path / "index"  # type: ignore[attr-defined]
    verified.keep(["one", "two"])
    verified.keep(["three"])
    found = verified.last()
    assert found is not None and found.problems == ("three",)
    assert timezone.now() - found.at < timedelta(minutes=1)
    assert [path.name for path in (tmp_path / "index").iterdir()] == [verified.NAME]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": "x", "problems": []}', '{"at": 3}', "\x00"])
def test_a_damaged_note_is_none(settings: object, tmp_path: Path, text: str) -> None:
    settings.INDEX_DIR = tmp_path  # type: ignore[attr-defined]
    (tmp_path / verified.NAME).write_text(text)
    assert verified.last() is None


def test_the_command_leaves_its_note(ingest, folder) -> None:  # type: ignore[no-untyped-def]
    ingest(folder)
    call_command("verify")
    found = verified.last()
    assert found is not None and found.problems == ()
