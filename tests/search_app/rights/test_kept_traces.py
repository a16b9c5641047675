"""What a kept trace says when rights or documents went since."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from rag.trace import Trace
from search_app import selectors, uploads
from search_app.access import OPERATOR, Viewer
from search_app.asking import ask
from search_app.models import Collection, Document, TraceRecord

ASKER = Viewer(asker="a browser")


@pytest.fixture
def reader(ingest: Callable[..., object], folder: Path, tmp_path: Path) -> User:
    """Reads `public`, as everybody does, and `board`."""
    ingest(folder, collection="public")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "plan.md").write_text("# Plan\n\nThe ferry company will be sold in spring.\n")
    ingest(secret, collection="board")
    Collection.objects.filter(name="board").update(public=False)
    user = User.objects.create_user("reader")
    Collection.objects.get(name="board").readers.add(user)
    return user


def broken_off(question: str, viewer: Viewer) -> str:
    """A question whose reader left as soon as passages were found; the id of its trace."""
    recording = ask(question, viewer=viewer)
    with closing(recording.events()) as events:
        for event in events:
            if getattr(getattr(event, "ranking", None), "stage", "") == "fused":
                break
    return str(recording.trace_id)


def test_a_question_that_was_broken_off_closes_with_the_right(reader: User, client: Client) -> None:
    trace_id = broken_off("Will the ferry company be sold?", Viewer(user_id=reader.pk))
    client.force_login(reader)
    assert b"sold in spring" in client.get(f"/answers/{trace_id}").content
    Collection.objects.get(name="board").readers.remove(reader)
    assert client.get(f"/answers/{trace_id}").status_code == 404


def shared(viewer: Viewer, question: str, collections: tuple[str, ...] = ()) -> Trace:
    trace = ask(question, viewer=viewer, collections=collections).finish()
    TraceRecord.objects.filter(pk=trace.query.id).update(shared=True)
    return trace


def test_a_shared_trace_names_only_collections_that_its_reader_may_read(reader: User, client: Client) -> None:
    """Its passages are public; that a private collection was searched as well is told to nobody else."""
    document = Document.objects.get(name="secret/plan.md")
    trace = shared(OPERATOR, "lighthouse")
    uploads.delete([document])
    record = TraceRecord.objects.get(pk=trace.query.id)
    for page in (f"/answers/{record.pk}", f"/traces/{record.pk}/", f"/traces/{record.pk}.json"):
        response = client.get(page)
        assert response.status_code == 200
        assert b"board" not in response.content, page
    assert "board" in json.dumps(selectors.exported(selectors.stored_trace(OPERATOR, record)))


def test_a_right_that_came_back_opens_the_trace_again(reader: User) -> None:
    viewer = Viewer(user_id=reader.pk)
    trace = ask("Will the ferry company be sold?", viewer=viewer).finish()
    record = TraceRecord.objects.get(pk=trace.query.id)
    Collection.objects.get(name="board").readers.remove(reader)
    assert selectors.trace(viewer, record.pk) is None
    Collection.objects.get(name="board").readers.add(reader)
    again = selectors.trace(viewer, record.pk)
    assert again is not None
    assert again.trace.passages == trace.passages
