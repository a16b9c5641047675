"""A viewer finds nothing outside his collections: not in an answer, a document or a trace."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from rag.errors import SieveError
from search_app import access, selectors, uploads
from search_app.access import OPERATOR, Viewer
from search_app.asking import ask
from search_app.models import Collection, Document, PassageText, TraceRecord

ANONYMOUS = Viewer(asker="a browser")


@pytest.fixture
def two(ingest: Callable[..., object], folder: Path, tmp_path: Path) -> None:
    """A public collection and one that only `reader` may read."""
    ingest(folder, collection="public")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "plan.md").write_text("# Plan\n\nThe ferry company will be sold in spring.\n")
    ingest(secret, collection="board")
    Collection.objects.filter(name="board").update(public=False)


@pytest.fixture
def reader(db: None) -> User:
    return User.objects.create_user("reader", password="long enough to pass")


def names(viewer: Viewer) -> list[str]:
    return [collection.name for collection in access.readable(viewer)]


def plan() -> Document:
    return Document.objects.get(name="secret/plan.md")


def texts(viewer: Viewer) -> str:
    return " ".join(
        p.text for p in ask("Will the ferry company be sold?", viewer=viewer).finish().passages.values()
    )


def test_collections_that_may_be_read(two: None, reader: User) -> None:
    assert names(ANONYMOUS) == ["public"]
    assert names(Viewer(user_id=reader.pk)) == ["public"]
    Collection.objects.get(name="board").readers.add(reader)
    assert names(Viewer(user_id=reader.pk)) == ["board", "public"]
    assert names(OPERATOR) == ["board", "public"]


def test_an_answer_has_only_what_its_asker_may_read(two: None, reader: User) -> None:
    assert "sold" not in texts(ANONYMOUS)
    assert "sold" in texts(OPERATOR)
    Collection.objects.get(name="board").readers.add(reader)
    assert "sold" in texts(Viewer(user_id=reader.pk))


def test_a_collection_that_may_not_be_read_does_not_exist(two: None) -> None:
    for name in ("board", "no-such-thing"):
        with pytest.raises(SieveError, match=f"There is no collection {name}. Collections: public."):
            ask("ferry", viewer=ANONYMOUS, collections=[name])


def test_access_taken_away_counts_at_once_whatever_the_index_says(two: None) -> None:
    found = tuple(ask("ferry", viewer=OPERATOR).finish().passages.values())
    assert access.permit_for(OPERATOR)(found) == {p.id for p in found}
    allowed = access.permit_for(ANONYMOUS)(found)
    assert {p.collection for p in found if p.id in allowed} == {"public"}
    Document.objects.filter(collection__name="public").update(version=7)
    assert access.permit_for(ANONYMOUS)(found) == frozenset()


def test_permit_is_one_query(two: None, django_assert_num_queries: Callable) -> None:
    found = tuple(ask("ferry", viewer=OPERATOR).finish().passages.values())
    with django_assert_num_queries(1):
        access.permit_for(ANONYMOUS)(found)


def test_the_page_of_a_document(two: None, reader: User, client: Client) -> None:
    address = f"/documents/{plan().pk}"
    assert client.get(address).status_code == 404
    client.force_login(reader)
    assert client.get(address).status_code == 404
    Collection.objects.get(name="board").readers.add(reader)
    assert b"sold" in client.get(address).content


def test_a_trace_is_for_its_asker_and_staff(two: None, reader: User, client: Client) -> None:
    trace_id = ask("ferry", viewer=ANONYMOUS).finish().query.id
    record = TraceRecord.objects.get(pk=trace_id)
    assert selectors.trace(ANONYMOUS, record.pk)
    assert selectors.trace(OPERATOR, record.pk)
    for other in (Viewer(), Viewer(asker="another"), Viewer(user_id=reader.pk, asker="x")):
        assert selectors.trace(other, record.pk) is None
    for address in (f"/traces/{trace_id}/", f"/traces/{trace_id}.json", f"/answers/{trace_id}"):
        assert client.get(address).status_code == 404
    assert client.get("/traces/").status_code == 302


def test_a_trace_closes_when_one_of_its_passages_may_no_longer_be_read(two: None) -> None:
    trace = ask("ferry", viewer=ANONYMOUS).finish()
    record = TraceRecord.objects.get(pk=trace.query.id)
    Collection.objects.filter(name="public").update(public=False)
    assert selectors.trace(ANONYMOUS, record.pk) is None
    assert selectors.trace(OPERATOR, record.pk)


def test_a_deleted_document_is_gone_from_everywhere(two: None) -> None:
    trace = ask("Who buys the ferry company?", viewer=OPERATOR).finish()
    assert PassageText.objects.filter(text__contains="sold").exists()
    assert uploads.delete([plan()]) == 1
    assert "sold" not in texts(OPERATOR)
    assert not PassageText.objects.filter(text__contains="sold").exists()
    stored = selectors.stored_trace(OPERATOR, TraceRecord.objects.get(pk=trace.query.id))
    assert stored.trace.movements() == trace.movements()  # ids and ranks stay
    assert "sold" not in json.dumps(selectors.exported(stored))
    assert "sold" not in " ".join(p.text for p in stored.trace.passages.values())
    assert stored.gone and stored.trace.answer is None
