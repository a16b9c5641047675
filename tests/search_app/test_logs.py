import io
import json
import logging
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from search_app import events, logs

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def written() -> "list[dict[str, object]]":
    """What a server would have written, line by line, read back."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    root, own = logging.getLogger(), logging.getLogger(logs.OWN)
    before = own.level
    own.setLevel(logging.INFO)
    root.addHandler(handler)

    class Lines(list):
        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter([json.loads(line) for line in stream.getvalue().splitlines()])

        def __getitem__(self, place):  # type: ignore[no-untyped-def]
            return list(self)[place]

        def __len__(self) -> int:
            return len(stream.getvalue().splitlines())

    yield Lines()
    root.removeHandler(handler)
    own.setLevel(before)


def test_an_event_is_one_object_with_its_fields(written: list) -> None:
    number = uuid.uuid4()
    events.event("request", route="admin:login", method="GET", status=200, elapsed_ms=12.3456, user=None)
    events.event("part_not_well", part="a word with blanks that somebody typed")
    first, second = written
    assert first["event"] == "request"
    assert (first["route"], first["elapsed_ms"], first["user"]) == ("admin:login", 12.35, None)
    assert second["part"] == "refused"
    assert events.ident(number)


def test_what_is_not_in_the_catalog_is_refused() -> None:
    with pytest.raises(ValueError, match="no event 'gossip'"):
        events.event("gossip")
    with pytest.raises(ValueError, match="has the fields part"):
        events.event("part_not_well", part="disk", question="what he said")
    with pytest.raises(ValueError, match="has the fields part"):
        events.event("part_not_well")


def test_of_other_loggers_nothing_that_was_filled_in_is_kept(written: list) -> None:
    other = logging.getLogger("other.package")
    other.warning("The host is %s", "zanzibar")
    filled = "zanzibar"
    other.warning(f"The host is {filled}")
    other.warning("The host is {}".format(filled))  # noqa: UP032
    other.error(ValueError("zanzibar"))
    try:
        try:
            raise KeyError("zanzibar")
        except KeyError as error:
            raise ValueError("about zanzibar") from error
    except ValueError:
        other.exception("It broke")
    assert "zanzibar" not in json.dumps(list(written))
    first, *formatted, broke = written
    assert first["message"] == "The host is %s"
    assert first["at"].startswith("tests/search_app/test_logs.py:")
    assert all("message" not in line for line in formatted)
    assert broke["exceptions"] == ["ValueError", "KeyError"]
    assert broke["frames"][0].startswith("tests/search_app/test_logs.py:")


def test_plain_lines_hold_the_same_and_no_more() -> None:
    filled = " ".join(["The host is", "zanzibar"])
    record = logging.LogRecord("other", logging.WARNING, __file__, 3, filled, None, None)
    line = logs.PlainFormatter().format(record)
    assert "zanzibar" not in line
    assert "message left out" in line
    record.msg, record.name = "question", logs.OWN
    record.event, record.fields = "question", {"total_ms": 3.0}
    assert logs.PlainFormatter().format(record)[13:].startswith("WARNING question total_ms=3.0")


def test_the_format_follows_the_terminal_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIEVE_LOG_FORMAT", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert "JsonFormatter" in str(logs.config())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "PlainFormatter" in str(logs.config())
    monkeypatch.setenv("SIEVE_LOG_FORMAT", "json")
    assert "JsonFormatter" in str(logs.config())


def test_a_thread_that_breaks_is_logged_without_its_message() -> None:
    code = (
        "import threading; from search_app import logs; logs.configure()\n"
        "def broken(): raise ValueError('zanzibar')\n"
        "t = threading.Thread(target=broken); t.start(); t.join()\n"
        "import logging, sys; logging.getLogger('x').warning('%d', 'zanzibar')\n"
        "print(*[m for m in ('django', 'celery', 'gunicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "zanzibar" not in done.stderr
    assert json.loads(done.stderr.splitlines()[0])["exceptions"] == ["ValueError"]
    assert done.stdout.split() == [], "the log needs neither Django nor Celery"


def test_each_request_has_a_number_of_its_own() -> None:
    numbers = []

    def request() -> None:
        numbers.append(logs.new_request_id())
        numbers.append(logs.request_id.get())

    for _ in range(2):
        thread = threading.Thread(target=request)
        thread.start()
        thread.join()
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]


def test_the_web_server_says_what_is_wrong_and_not_with_what(tmp_path: Path) -> None:
    code = (
        "from gunicorn.config import Config; from search_app.gunicorn import SafeLogger\n"
        "log = SafeLogger(Config())\n"
        "log.warning('Too many of %s', 'zanzibar')\n"
        "log.warning('Too many of {}'.format('zanzibar'))\n"
        "assert not log.access_log_enabled"
    )
    script = tmp_path / "serve.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(line) for line in done.stderr.splitlines()]
    assert (first["logger"], first["message"]) == ("gunicorn.error", "Too many of %s")
    assert "message" not in second
    assert "zanzibar" not in done.stderr
