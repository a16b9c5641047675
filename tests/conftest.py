"""Tests keep their state in a folder of their own; the model store is the project's."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import django
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
_data = tempfile.TemporaryDirectory(prefix="sieve-tests-", ignore_cleanup_errors=True)
os.environ.setdefault(
    "SIEVE_MODEL_DIR", str(Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var") / "models")
)
os.environ["SIEVE_DATA_DIR"] = _data.name
os.environ["DJANGO_SETTINGS_MODULE"] = "search_app.settings"
for name in [name for name in os.environ if name.startswith("SIEVE_OPENSEARCH")]:
    if name != "SIEVE_OPENSEARCH_DIR":  # where the cluster for tests lies; the others would name somebody's
        del os.environ[name]
django.setup()  # before any test module is read: rows can be imported only then

from tests import vllm  # noqa: E402
from tests.opensearch import (  # noqa: E402
    cluster,
    opensearch,
    opensearch_server,
    opensearch_version,
    why_not,
)

__all__ = ["cluster", "opensearch", "opensearch_server"]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
    *("disable-background-networking", "disable-component-update", "disable-sync"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    models = any(Path(os.environ["SIEVE_MODEL_DIR"]).glob("*"))
    for item in items:
        if version := opensearch_version(item):
            item.add_marker(pytest.mark.opensearch(version))
            if reason := why_not(version):
                item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("models") and not models:
            item.add_marker(pytest.mark.skip(reason="no models here: manage.py models pull"))
        if item.get_closest_marker("torch") and find_spec("torch") is None:
            item.add_marker(pytest.mark.skip(reason="no torch here: make setup-torch"))
        if (served := item.get_closest_marker("vllm")) and (reason := vllm.why_not(str(served.args[0]))):
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("browser") and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium here: install the package chromium"))


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """The one Chromium of the run: its driver cannot be started twice in a process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in FLAGS])
        yield running
        running.close()
