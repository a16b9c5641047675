"""What every answer carries, what no request may do, and what is never written down."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from search_app import logs
from search_app.models import TraceRecord

ROOT = Path(__file__).resolve().parent.parent.parent
RARE = "zanzibarquux"
NUMBER = "00000000-0000-0000-0000-000000000000"
NAMES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SECURE_SSL_REDIRECT")
SHOW = (
    "from django.conf import global_settings as d; from search_app import settings as s; "
    f"print(*[getattr(s, name, getattr(d, name)) for name in {NAMES}])"
)


# --- Headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/sign-in", "/healthz", "/nothing-here", "/admin/login/", "/readyz"])
def test_every_answer_is_closed_up(light: None, client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "no-store" in headers["Cache-Control"]
    assert re.fullmatch(r"[0-9a-f]{32}", headers["X-Request-Id"])


def test_static_files_may_be_kept(light: None, client: Client) -> None:
    headers = client.get("/static/sieve/sieve.css").headers
    assert "no-store" not in headers["Cache-Control"]
    assert headers["Content-Security-Policy"]


def test_cookies_cannot_be_read_by_scripts(light: None, client: Client, settings: object) -> None:
    User.objects.create_user("ann", password="a long enough password")
    page = client.get("/sign-in")
    assert page.cookies["csrftoken"]["httponly"]
    assert page.cookies["csrftoken"]["samesite"] == "Lax"
    client.post("/sign-in", {"username": "ann", "password": "a long enough password"})
    assert client.cookies["sessionid"]["httponly"]
    assert client.cookies["sessionid"]["samesite"] == "Lax"


def test_with_https_everything_is_bound_to_it(tmp_path: Path) -> None:
    def shown(**more: str) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SIEVE_")}
        env = clean | {"SIEVE_DATA_DIR": str(tmp_path)} | more
        done = subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, env=env, capture_output=True, text=True)
        return done.stdout.strip()

    assert shown() == "sessionid csrftoken False"
    assert shown(SIEVE_HTTPS="1") == "__Host-sessionid __Host-csrftoken True"


def test_http_is_sent_to_https_except_for_probes(light: None, client: Client, settings: object) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/sign-in")
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://testserver/sign-in")
    assert client.get("/healthz").status_code == 200


def test_other_hosts_are_refused_without_being_named(light: None, client: Client) -> None:
    answer = client.get("/", headers={"host": f"{RARE}.example"})
    assert answer.status_code == 400
    assert RARE.encode() not in answer.content


# --- Requests ----------------------------------------------------------------------------------------------


def test_a_large_body_is_refused_unread(light: None, client: Client, settings: object) -> None:
    settings.ANONYMOUS_REQUEST_BYTES, settings.MAX_REQUEST_BYTES = 1000, 3000
    body = {"content_type": "application/octet-stream"}
    assert client.post("/sign-in", b"x" * 900, **body).status_code != 413
    refused = client.post("/sign-in", b"x" * 1100, **body)
    assert refused.status_code == 413
    assert b"before you sign in" in refused.content
    with_key = {"headers": {"Authorization": f"Bearer {RARE}"}}
    assert client.post("/sign-in", b"x" * 1100, **body, **with_key).status_code == 413
    problem = client.post("/api/v1/search", b"x" * 4000, **body, **with_key)
    assert problem.status_code == 413
    assert problem.headers["Content-Type"] == "application/problem+json"
    client.force_login(User.objects.create_user("ann"))
    assert client.post("/sign-in", b"x" * 1100, **body).status_code != 413
    assert client.post("/sign-in", b"x" * 3100, **body).status_code == 413


@pytest.mark.parametrize("length", ["-5", "1e9", "\u0665\u0665", "nonsense", ""])
def test_a_length_that_is_none_breaks_nothing(light: None, client: Client, length: str) -> None:
    assert client.get("/healthz", CONTENT_LENGTH=length).status_code == 200


def addresses(patterns: list, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, before + str(pattern.pattern))
        else:
            yield before + str(pattern.pattern), pattern


def test_every_form_asks_for_its_token(light: None) -> None:
    """A POST without the token changes nothing anywhere; the API takes keys, and sessions with a token."""
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    strict.force_login(User.objects.create_superuser("root"))
    taken = []
    for route, pattern in addresses(get_resolver().url_patterns):
        if route.startswith("static/"):
            continue
        path = "/" + re.sub(r"<(?:(\w+):)?\w+>", lambda m: NUMBER if m[1] == "uuid" else "1", route)
        path = re.sub(r"\(\?P<\w+>[^)]*\)|[\^$]", "x", path).replace("\\", "")
        if strict.post(path, {"a": "b"}).status_code not in {400, 401, 403, 404, 405, 415}:
            taken.append(route)
        assert pattern
    # Redirects that read nothing of the body.
    assert [route for route in taken if not route.startswith("admin/") and route != "favicon.ico"] == []


# --- The log -----------------------------------------------------------------------------------------------


@pytest.fixture
def everything() -> Iterator[io.StringIO]:
    """All that any logger says, down to DEBUG, as a server would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    root = logging.getLogger()
    silent = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    before = [(logger, logger.level) for logger in silent if isinstance(logger, logging.Logger)]
    for logger, _ in before:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


def test_no_word_of_a_question_or_a_document_is_logged(
    everything: io.StringIO, ingest: Callable[..., object], folder: Path, client: Client
) -> None:
    (folder / f"{RARE}.md").write_text(f"# {RARE}\n\nThe {RARE} stands at the north pier.\n")
    (folder / f"{RARE}.pdf").write_bytes(b"%PDF-1.7 " + RARE.encode())
    ingest(folder)
    client.raise_request_exception = False
    frames = client.get("/ask/stream", {"q": f"where is {RARE}"})
    assert RARE in b"".join(frames.streaming_content).decode()
    client.get("/ask", {"q": RARE, "wait": "1", "collection": RARE})
    client.get(f"/documents/{RARE}", headers={"referer": f"http://{RARE}/", "user-agent": RARE})
    client.get("/", headers={"host": f"{RARE}.example"})
    client.post("/sign-in", {"username": RARE, "password": RARE})
    client.post("/api/v1/search", {"query": RARE}, content_type="application/json")
    client.get("/traces/", {"q": RARE})
    written = everything.getvalue()
    assert RARE not in written
    lines = [json.loads(line) for line in written.splitlines()]
    question = next(line for line in lines if line.get("event") == "question")
    assert question["trace"] == str(TraceRecord.objects.get(question__startswith="where").pk)
    assert question["request"]
    assert {line["route"] for line in lines if line.get("event") == "request"} >= {
        "ask-stream",
        "sign-in",
        "none",
    }


def test_what_breaks_is_logged_without_its_words(
    everything: io.StringIO, light: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"about {RARE}")

    client.raise_request_exception = False
    monkeypatch.setattr("search_app.views.health.connection", type("Broken", (), {"cursor": broken}))
    answer = client.get("/healthz", {"q": RARE})
    assert answer.status_code == 500
    assert f"about {RARE}".encode() not in answer.content
    lines = [json.loads(line) for line in everything.getvalue().splitlines()]
    assert RARE not in json.dumps(lines)
    broke = next(line for line in lines if line["level"] == "error")
    assert broke["exceptions"] == ["RuntimeError"]
    assert any("views/health.py" in frame for frame in broke["frames"])


def test_the_first_password_is_told_once_and_never_logged(
    everything: io.StringIO, db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = io.StringIO()
    call_command("first_admin", stdout=said)
    password = re.search(r"password\W+(\S{20})", said.getvalue())
    assert password, said.getvalue()
    assert User.objects.get().check_password(password[1].rstrip("."))
    assert password[1] not in everything.getvalue() + capsys.readouterr().err
    again = io.StringIO()
    call_command("first_admin", stdout=again)
    assert password[1] not in again.getvalue()
