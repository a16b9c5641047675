from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User

from search_app.models import Collection, Document
from tests.search_app.api.conftest import ApiClient

COLLECTIONS = "/api/v1/collections"


@pytest.fixture
def made(staff: ApiClient, people: dict[str, User]) -> Collection:
    Group.objects.create(name="Support")
    body = {
        "name": "board",
        "title": "The board",
        "language": "de",
        "readers": ["reader"],
        "groups": ["Support"],
    }
    assert staff.json("post", COLLECTIONS, body).status_code == 201
    return Collection.objects.get(name="board")


def test_staff_makes_a_collection_and_its_readers_see_it_without_the_others(
    made: Collection, staff: ApiClient, reader: ApiClient, nobody: ApiClient, keyed: Callable[..., ApiClient]
) -> None:
    assert made.public is False, "closed unless it is said"
    whole = staff.get(f"{COLLECTIONS}/board").json()
    assert (whole["language"], whole["readers"], whole["groups"]) == ("de", ["reader"], ["Support"])
    seen = reader.get(f"{COLLECTIONS}/board").json()
    assert seen == {k: v for k, v in whole.items() if k not in ("readers", "groups")}
    assert [c["name"] for c in reader.get(COLLECTIONS).json()["results"]] == ["board"]
    for client in (nobody, keyed("stranger")):
        assert client.get(COLLECTIONS).json()["results"] == []
        assert client.get(f"{COLLECTIONS}/board").status_code == 404


def test_a_change_counts_at_once(made: Collection, staff: ApiClient, reader: ApiClient) -> None:
    changed = staff.json("patch", f"{COLLECTIONS}/board", {"readers": [], "title": ""}).json()
    assert (changed["readers"], changed["title"], changed["groups"]) == ([], "", ["Support"])
    assert reader.get(f"{COLLECTIONS}/board").status_code == 404
    for fixed in ({"name": "x"}, {"language": "en"}):
        assert staff.json("patch", f"{COLLECTIONS}/board", fixed).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "board"}, 409),
        ({"name": "a b"}, 400),
        ({"name": "a\n"}, 400),
        ({"name": "x" * 101}, 400),
        ({"name": "new", "language": "tlh"}, 400),
        ({"name": "new", "public": "yes"}, 400),
        ({"name": "new", "readers": ["nobody"]}, 404),
        ({"name": "new", "groups": "Support"}, 400),
        ({"name": "new", "blend": {}}, 400),
    ],
)
def test_what_cannot_be_made_is_said(made: Collection, staff: ApiClient, body: object, status: int) -> None:
    assert staff.json("post", COLLECTIONS, body).status_code == status
    assert Collection.objects.count() == 1


def test_who_is_not_staff_changes_nothing(
    made: Collection, reader: ApiClient, nobody: ApiClient, keyed: Callable[..., ApiClient]
) -> None:
    for client, status in ((nobody, 401), (reader, 403), (keyed("staff", "read"), 403)):
        assert client.json("post", COLLECTIONS, {"name": "x"}).status_code == status
        assert client.json("patch", f"{COLLECTIONS}/board", {"public": True}).status_code == status
        assert client.delete(f"{COLLECTIONS}/board").status_code == status
    limited = keyed("staff", only=["board"])
    assert limited.json("post", COLLECTIONS, {"name": "x"}).status_code == 403
    assert limited.json("patch", f"{COLLECTIONS}/board", {"title": "B"}).status_code == 200


def test_a_full_collection_is_deleted_only_when_told(
    filled: None, staff: ApiClient, keyed: Callable[..., ApiClient]
) -> None:
    limited = keyed("staff", only=["notes"])
    assert staff.delete(f"{COLLECTIONS}/notes").status_code == 409
    assert staff.delete(f"{COLLECTIONS}/notes?documents=yes").status_code == 400
    assert Document.objects.count() == 3
    assert staff.delete(f"{COLLECTIONS}/notes?documents=true").status_code == 204
    assert (Collection.objects.count(), Document.objects.count()) == (0, 0)
    Collection.objects.create(name="later")
    assert limited.get(COLLECTIONS).json()["results"] == [], "a limited key does not become an unlimited one"
