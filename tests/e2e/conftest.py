"""The real application in a real browser: Redis, both workers, gunicorn, models, index, Chromium."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from scripts.stack import PARTS, Stack
from tests.rag.parse.samples import pdf

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "long enough to pass"
PEOPLE = f"""
from django.contrib.auth.models import User
from search_app.models import Collection
closed = Collection.objects.get(name="board")
closed.public, closed.title = False, "Board"
closed.save()
for name in ("dana", "eve"):
    user, _ = User.objects.get_or_create(username=name)
    user.set_password({PASSWORD!r})
    user.save()
closed.readers.add(User.objects.get(username="dana"))
"""


@dataclass(frozen=True)
class Application:
    url: str
    password: str
    """Of the user `admin`."""
    stack: Stack
    """What runs: its parts can be killed, and its `environment` is what commands need to meet them."""


def manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command of manage.py to its end; gives what it said."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def prepared(
    data: Path, *, say: Callable[[str], None] = print, parts: Sequence[str] = PARTS, **settings: str
) -> tuple[Stack, str]:
    """A stack over an empty database, not started, and the password of its user `admin`."""
    data.mkdir(parents=True, exist_ok=True)
    stack = Stack(data, environment=settings, say=say, parts=parts)
    manage(stack.environment, "migrate", "--verbosity", "0")
    said = manage(stack.environment, "first_admin")
    password = re.search(r"password\s*:?\s+(\S+)", said, re.IGNORECASE)
    assert password, said
    return stack, password.group(1)


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The whole stack, with the handbook and the harbour in it."""
    stack, password = prepared(tmp_path_factory.mktemp("data"))
    pages = [str(page) for page in sorted((ROOT / "docs").glob("*.md"))]
    manage(stack.environment, "ingest", *pages, "--collection", "handbook")
    manage(stack.environment, "ingest", str(ROOT / "tests/data/harbour"), "--collection", "harbour")
    with stack:
        stack.wait_until_ready()
        yield Application(stack.url, password, stack)


@pytest.fixture(scope="session")
def people(application: Application, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """A closed collection that dana may read and eve may not; a PDF and a long text in it."""
    folder = tmp_path_factory.mktemp("papers") / "board"
    folder.mkdir()
    (folder / "sale.md").write_text("# Sale\n\nThe ferry is sold to the Northwind Shipping company in May.\n")
    first = [(18.0, "The new pier"), (11.0, "Plans of the harbour board for the next ten years.")]
    second = [(18.0, "Costs"), (11.0, "The new pier costs four hundred thousand crowns.")]
    (folder / "pier.pdf").write_bytes(pdf(first, second))
    lines = [f"On day {n} the harbour log says nothing of note.\n" for n in range(3_000)]
    lines[2_000] = "On that day the whale Mathilda swam into the inner basin.\n"
    (folder / "log.txt").write_text("".join(lines))
    manage(application.stack.environment, "ingest", str(folder), "--collection", "board")
    manage(application.stack.environment, "shell", "-c", PEOPLE)
    return application


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


def sign_in(page: Page, name: str) -> Page:
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    return page
