"""Tests keep their state in a folder of their own; the model store is the project's."""

import os
import tempfile
from pathlib import Path

import django
import pytest

ROOT = Path(__file__).resolve().parent.parent
_data = tempfile.TemporaryDirectory(prefix="sieve-tests-", ignore_cleanup_errors=True)
os.environ.setdefault(
    "SIEVE_MODEL_DIR", str(Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var") / "models")
)
os.environ["SIEVE_DATA_DIR"] = _data.name
os.environ["DJANGO_SETTINGS_MODULE"] = "search_app.settings"
django.setup()  # before any test module is read: rows can be imported only then


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if any(Path(os.environ["SIEVE_MODEL_DIR"]).glob("*")):
        return
    absent = pytest.mark.skip(reason="no models here: manage.py models pull")
    for item in items:
        if item.get_closest_marker("models"):
            item.add_marker(absent)
