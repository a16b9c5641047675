"""Search as another user: whose rights count, who may, and what the trace says of it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from search_app.models import Collection, TraceRecord


@pytest.fixture
def world(ingest: Callable[..., object], folder: object) -> dict[str, User]:
    """Everybody reads `notes`, only cara reads `board`; ann may search as others, ben is only staff."""
    ingest(folder)
    ingest(folder, collection="board")
    users = {
        "ann": User.objects.create_user("ann", is_staff=True),
        "ben": User.objects.create_user("ben", is_staff=True),
        "cara": User.objects.create_user("cara"),
        "dana": User.objects.create_user("dana"),
        "gone": User.objects.create_user("gone", is_active=False),
        "root": User.objects.create_user("root", is_staff=True, is_superuser=True),
    }
    users["ann"].user_permissions.add(Permission.objects.get(codename="search_as"))
    board = Collection.objects.get(name="board")
    board.public = False
    board.save()
    board.readers.add(users["cara"])
    return users


def ask(client: Client, asker: User, target: str, **more: object) -> object:
    client.force_login(asker)
    return client.post("/manage/search-as", {"user": target, "q": "ferry", **more})


def test_what_is_found_is_what_that_user_may_read(world: dict[str, User], client: Client) -> None:
    for name, readable in (("dana", ["notes"]), ("cara", ["board", "notes"])):
        response = ask(client, world["ann"], name)
        record = TraceRecord.objects.order_by("-created").first()
        assert response.headers["Location"] == f"/traces/{record.pk}/"
        assert record.body["query"]["collections"] == readable
        assert {p["collection"] for p in record.body["passages"]} == set(readable)
        assert (record.user, record.as_user) == (world["ann"], world[name])
        page = client.get(f"/traces/{record.pk}/").content.decode()
        assert f"with the rights of <b>{name}</b>" in page


def test_the_trace_belongs_to_the_asker_not_to_the_user(world: dict[str, User], client: Client) -> None:
    address = ask(client, world["ann"], "cara").headers["Location"]
    client.force_login(world["cara"])
    assert client.get(address).status_code == 404


def test_a_collection_that_the_user_may_not_read_cannot_be_named(
    world: dict[str, User], client: Client
) -> None:
    response = ask(client, world["ann"], "dana", collection="board")
    assert response.status_code == 400 and not TraceRecord.objects.exists()


@pytest.mark.parametrize("asker", ["ben", "cara"])
def test_without_the_permission_there_is_no_such_page(
    world: dict[str, User], client: Client, asker: str
) -> None:
    assert ask(client, world[asker], "dana").status_code == 404
    assert client.get("/manage/search-as?user=dana").status_code == 404
    assert not TraceRecord.objects.exists()


@pytest.mark.parametrize("target", ["root", "gone", "nobody", ""])
def test_nobody_takes_on_the_rights_of_somebody_above_or_of_nobody(
    world: dict[str, User], client: Client, target: str
) -> None:
    response = ask(client, world["ann"], target)
    assert response.status_code == 400 and not TraceRecord.objects.exists()
    assert "root" not in client.get("/manage/search-as").content.decode().split("datalist")[1]


def test_a_superuser_may_search_as_a_superuser(world: dict[str, User], client: Client) -> None:
    assert ask(client, world["root"], "root").status_code == 302


def test_it_is_logged_without_names_and_words(
    world: dict[str, User], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        ask(client, world["ann"], "cara")
    records = [r for r in caplog.records if getattr(r, "event", "") == "searched_as"]
    assert [r.fields["user"] for r in records] == [world["ann"].pk]  # type: ignore[attr-defined]
    assert [r.fields["as_user"] for r in records] == [world["cara"].pk]  # type: ignore[attr-defined]
