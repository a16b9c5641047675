"""A database that is restarted: 503 with a sentence, and nothing of what it was asked."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

pytestmark = pytest.mark.django_db

SENTENCE = "The database cannot be reached. Try again in a moment."


@pytest.fixture
def away() -> Iterator[None]:
    def refuse(*_: Any) -> None:
        raise OperationalError("connection refused: SELECT secret")

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("path", ["/api/v1/collections", "/api/v1/documents?collection=x"])
def test_the_api_says_so(path: str) -> None:
    answer = Client(raise_request_exception=False).get(path)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"]
    assert answer.json()["detail"] == SENTENCE


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("path", ["/", "/history/", "/traces/"])
def test_pages_say_so(path: str) -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "a" * 32
    answer = client.get(path)
    assert answer.status_code == 503
    assert SENTENCE in answer.content.decode()
    assert "secret" not in answer.content.decode()


@pytest.mark.usefixtures("away")
def test_a_probe_says_so() -> None:
    assert Client().get("/healthz").status_code == 503


def test_a_bug_is_still_a_bug() -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with connection.execute_wrapper(broken):
        answer = Client(raise_request_exception=False).get("/api/v1/collections")
    assert answer.status_code == 500
