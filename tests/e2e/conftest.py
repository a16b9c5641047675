"""The real application in a real browser: gunicorn, models, index, Chromium."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Application:
    url: str
    password: str


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    data = tmp_path_factory.mktemp("data")
    environment = {**os.environ, "SIEVE_DATA_DIR": str(data)}
    manage(environment, "migrate", "--verbosity", "0")
    said = manage(environment, "first_admin")
    password = re.search(r"password\s*:?\s+(\S+)", said, re.IGNORECASE)
    assert password, said
    pages = [str(page) for page in sorted((ROOT / "docs").glob("*.md"))]
    manage(environment, "ingest", *pages, "--collection", "handbook")
    manage(environment, "ingest", str(ROOT / "tests/data/harbour"), "--collection", "harbour")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--config", "python:search_app.gunicorn"]
    command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(server, f"{url}/healthz")
        yield Application(url, password.group(1))
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(300):
        assert server.poll() is None, "the server ended at once"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the server did not answer within a minute")


@pytest.fixture
def page(browser: Browser, application: Application) -> Iterator[Page]:
    """A fresh visitor. Any error in the page, and any request that leaves the machine, fails the test."""
    context = browser.new_context(base_url=application.url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"error in the page: {error}"))
    page.on("console", lambda m: problems.append(f"console: {m.text}") if m.type == "error" else None)
    page.on(
        "request",
        lambda r: (
            None
            if r.url.startswith((application.url, "data:"))
            else problems.append(f"left the site: {r.url}")
        ),
    )
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def admin(page: Page, application: Application) -> Page:
    page.goto("/admin/login/?next=/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", application.password)
    page.press("#id_password", "Enter")
    page.wait_for_url(application.url + "/")
    return page
