"""The page of the index: what it shows on each kind of index, who may act, and that it asks first."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from search_app import indexes, promotion, reindexing
from search_app.models import Reindex
from tests.opensearch import fresh, running
from tests.search_app.conftest import folder, ingest, light  # noqa: F401  (fixtures)
from tests.search_app.test_reindexing import use

VERSION = "3.6.0"
on_cluster = pytest.mark.opensearch(VERSION)
Run = Callable[..., object]


@pytest.fixture
def on(ingest: Run, folder: Path, settings: object) -> Iterator[None]:  # noqa: F811
    """The application on a cluster, with three documents."""
    for address in fresh(running(VERSION)):
        use(settings, address)
        ingest(folder)
        yield
        indexes.forget()


def page(client: Client) -> str:
    response = client.get("/manage/index")
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def done(client: Client, action: str, **values: str) -> str:
    return " ".join(client.post(f"/manage/index/{action}", values, follow=True).content.decode().split())


def test_the_embedded_index_says_what_it_can_do(ingest: Run, folder: Path, root: Client) -> None:  # noqa: F811
    ingest(folder)
    shown = page(root)
    assert "The embedded index" in shown
    assert "3 of 3 documents" in shown
    assert "manage.py reindex" in shown
    assert "/manage/index/" not in shown
    assert root.get("/manage/index/start").status_code == 404


@on_cluster
def test_a_version_is_begun_promoted_rolled_back_and_dropped_from_the_page(on: None, root: Client) -> None:
    assert "in use" in page(root)
    assert "Build a new version of the index?" in root.get("/manage/index/start").content.decode()
    assert not Reindex.objects.exists()
    assert "It waits for the ingest worker" in done(root, "start")
    assert reindexing.piece(30.0)
    shown = page(root)
    assert "A new version of the index is whole" in shown
    assert "All 3 documents are in it" in shown
    assert "whole, not in use yet" in shown
    assert "Nobody has marked an answer as helpful yet" in shown
    assert "-0002 is in use, from the next question on" in done(root, "promote")
    assert "the one before" in page(root)
    assert "-0001 is in use again" in done(root, "rollback")
    assert "-0002 is deleted" in done(root, "drop")
    assert "nothing to go back to" in done(root, "rollback")


@on_cluster
def test_what_is_built_is_shown_with_its_progress(on: None, root: Client) -> None:
    row = Reindex.objects.create(
        backend="hashing", model="hashing", fingerprint="h", done=8412, total=20311, index="x-passages-0009"
    )
    assert "<b>8,412</b> of <b>20,311</b> documents, 41 %. Nobody is at it" in page(root)
    Reindex.objects.update(holder="x", lease_until=timezone.now() + timedelta(minutes=1))
    assert "A process builds it now." in page(root)
    assert "/manage/index/start" not in page(root)
    Reindex.objects.update(state="failed", reason="It <lacks> words.", holder="", lease_until=None)
    assert "It stopped: It &lt;lacks&gt; words." in page(root)
    assert "is given up" in done(root, "cancel")
    row.refresh_from_db()
    assert (row.state, row.open) == ("dropped", None)


@on_cluster
def test_a_version_that_finds_less_is_promoted_only_on_purpose(on: None, root: Client) -> None:
    row = reindexing.wanted()
    reindexing.build(row)
    Reindex.objects.update(judged=30, ndcg_before=0.8, ndcg_after=0.7)
    assert "It finds less than the version in use" in page(root)
    asked = root.get("/manage/index/promote").content.decode()
    assert "nDCG@10 0.700, -0.100" in asked
    assert 'name="anyway"' in asked
    assert "To promote it all the same" in done(root, "promote")
    assert promotion.promotable().name == row.index
    assert "is in use, from the next question on" in done(root, "promote", anyway="1")


@on_cluster
def test_staff_look_and_only_who_has_the_permission_acts(on: None, dana: User, staff: Client) -> None:
    assert "/manage/index/start" not in page(staff)
    assert staff.get("/manage/index/start").status_code == 403
    assert staff.post("/manage/index/start").status_code == 403
    dana.user_permissions.add(Permission.objects.get(codename="change_reindex"))
    assert "/manage/index/start" in page(staff)
    assert staff.get("/manage/index/nonsense").status_code == 404


@on_cluster
def test_a_cluster_that_is_away_is_said_and_breaks_no_page(on: None, root: Client, settings: object) -> None:
    settings.OPENSEARCH_URLS = ["http://127.0.0.1:9"]
    indexes.forget()
    assert "The index cannot be looked at" in page(root)
    assert "cannot be reached" in page(root)


@on_cluster
def test_what_a_killed_command_left_over_can_be_deleted(on: None, root: Client) -> None:
    row = reindexing.wanted()
    reindexing.build(row)
    Reindex.objects.all().delete()
    assert "left over from a command that was killed" in page(root)
    assert f"{row.index} is deleted" in done(root, "clean")
    assert row.index not in page(root)
