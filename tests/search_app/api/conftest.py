"""A filled collection, people, and clients that bring a key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search_app import keys
from search_app.api.chat import errors
from search_app.models import Collection


class ApiClient(Client):
    """A client that speaks JSON and checks the shape of every error."""

    def request(self, **request: Any) -> Any:
        response = super().request(**request)
        if errors.ADDRESSES.fullmatch(request["PATH_INFO"]):
            if response.status_code >= 400:
                error = response.json()["error"]
                assert error["message"] and error["type"] and error["code"] and "param" in error
        elif request["PATH_INFO"].startswith("/api/") and response.status_code >= 400:
            assert response.headers["Content-Type"] == "application/problem+json"
            problem = response.json()
            assert problem["status"] == response.status_code
            assert problem["title"] and problem["detail"] and problem["type"].endswith("#" + problem["code"])
        return response

    def json(self, method: str, path: str, body: object = None, **extra: Any) -> Any:
        data = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(self, method)(path, **data, **extra)


@pytest.fixture
def filled(ingest: Callable[..., object], folder: Path) -> None:
    """Three searchable documents in the public collection `notes`."""
    ingest(folder)


@pytest.fixture
def people(db: None) -> dict[str, User]:
    users = User.objects
    return {
        "staff": users.create_user("staff", is_staff=True),
        "reader": users.create_user("reader"),
        "stranger": users.create_user("stranger"),
    }


@pytest.fixture
def keyed(people: dict[str, User]) -> Callable[..., ApiClient]:
    """A client with a key of its own: `keyed("staff", "read", only=["notes"])`."""

    def make(who: str, *scopes: str, only: list[str] | None = None) -> ApiClient:
        collections = Collection.objects.filter(name__in=only) if only else []
        _, text = keys.make(people[who], "test", scopes or keys.SCOPES, collections)
        return ApiClient(headers={"Authorization": f"Bearer {text}"}, raise_request_exception=False)

    return make


@pytest.fixture
def staff(keyed: Callable[..., ApiClient]) -> ApiClient:
    return keyed("staff")


@pytest.fixture
def reader(keyed: Callable[..., ApiClient]) -> ApiClient:
    return keyed("reader")


@pytest.fixture
def nobody(db: None) -> ApiClient:
    return ApiClient(raise_request_exception=False)
