"""Requests are counted together by all web processes where there is a Redis, and alone while it is away."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.test import Client

from scripts.stack import Stack, free_port
from search_app import logs
from search_app.api import counters

ROOT = Path(__file__).resolve().parents[3]
OTHER = """
import django
django.setup()
from search_app.api import counters
print([counters.count("both", 60) for _ in range(5)])
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("counters"), parts=("redis",)) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "_away_until", 0.0)
    monkeypatch.setattr(counters, "_shared", True)
    counters._client.cache_clear()


def test_two_processes_count_together(stack: Stack, settings: object) -> None:
    settings.QUEUE_URL = stack.queue_url
    assert [counters.count("both", 60) for _ in range(3)] == [1, 2, 3]
    environment = os.environ | {"SIEVE_QUEUE": stack.queue_url}
    done = subprocess.run(
        [sys.executable, "-c", OTHER], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[4, 5, 6, 7, 8]", done.stderr
    assert counters.count("both", 60) == 9
    assert counters.count("another", 60) == 1


def test_no_count_is_lost_between_threads(stack: Stack, settings: object) -> None:
    settings.QUEUE_URL = stack.queue_url
    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(lambda _: counters.count("threads", 60), range(200)))
    assert sorted(numbers) == list(range(1, 201))


def test_a_count_ends_its_life(stack: Stack, settings: object) -> None:
    settings.QUEUE_URL = stack.queue_url
    counters.count("short", 60)
    left = counters._client(stack.queue_url).ttl(counters.KEY + "short")
    assert 0 < left <= 60


def test_a_redis_that_is_away_makes_each_process_count_alone_and_is_asked_again_later(
    stack: Stack, settings: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.QUEUE_URL = f"redis://127.0.0.1:{free_port()}/0"
    asked: list[str] = []
    original = counters._in_redis
    monkeypatch.setattr(counters, "_in_redis", lambda *args: asked.append("") or original(*args))
    with caplog.at_level("WARNING", logger=logs.OWN):
        assert [counters.count("away", 60) for _ in range(4)] == [1, 2, 3, 4]
        assert len(asked) == 1
        settings.QUEUE_URL = stack.queue_url
        monkeypatch.setattr(counters, "_away_until", 0.0)
        assert counters.count("away", 60) == 1  # shared again
    said = [r.fields["shared"] for r in caplog.records if r.getMessage() == "rates_shared"]
    assert said == [False, True]


def test_without_a_queue_a_process_counts_for_itself(settings: object) -> None:
    settings.QUEUE_URL = ""
    assert [counters.count("own", 60) for _ in range(3)] == [1, 2, 3]


@pytest.mark.django_db
@pytest.mark.parametrize("away", [False, True])
def test_the_api_holds_up_who_asks_too_often(stack: Stack, settings: object, away: bool) -> None:
    settings.QUEUE_URL = f"redis://127.0.0.1:{free_port()}/0" if away else stack.queue_url
    settings.API_RATE_ANONYMOUS = "3/hour"
    answers = [Client().get("/api/v1/collections", REMOTE_ADDR="192.0.2.9") for _ in range(5)]
    assert [a.status_code for a in answers][3:] == [429, 429]
    assert [a.headers["RateLimit-Remaining"] for a in answers] == ["2", "1", "0", "0", "0"]
