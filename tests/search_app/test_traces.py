"""The pages of traces: who may open them, what they show, and two of them side by side."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client

from search_app import asking, pipeline_versions, pipelines, uploads
from search_app.access import Viewer
from search_app.models import Collection, Document, Feedback, TraceRecord


@pytest.fixture
def dana(db: None) -> User:
    return User.objects.create_user("dana")


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("staff", is_staff=True)


@pytest.fixture
def asked(ingest: Callable[..., object], folder: Path, dana: User) -> TraceRecord:
    ingest(folder)
    return ask(dana)


def ask(user: User, question: str = "When does the ferry leave?") -> TraceRecord:
    recording = asking.ask(question, viewer=Viewer(user_id=user.pk))
    recording.finish()
    return TraceRecord.objects.get(pk=recording.trace_id)


def test_the_asker_and_staff_open_a_trace_and_nobody_else(
    asked: TraceRecord, client: Client, dana: User, staff: User
) -> None:
    other = ask(dana)
    addresses = [
        f"/traces/{asked.pk}/",
        f"/traces/{asked.pk}.json",
        f"/traces/{asked.pk}/compare?with={other.pk}",
    ]
    for user, status in ((None, 404), (User.objects.create_user("eve"), 404), (dana, 200), (staff, 200)):
        if user is not None:
            client.force_login(user)
        for address in addresses:
            assert client.get(address).status_code == status, (user, address)
    assert client.get(f"/traces/{uuid.uuid4()}/").status_code == 404


def test_the_list_is_for_staff_and_holds_no_answer(
    asked: TraceRecord, client: Client, dana: User, staff: User
) -> None:
    TraceRecord.objects.filter(pk=asked.pk).update(body=asked.body | {"note": "the hidden words"})
    assert client.get("/traces/").status_code == 302
    client.force_login(dana)
    assert client.get("/traces/").status_code == 404
    client.force_login(staff)
    page = client.get("/traces/").content.decode()
    assert "When does the ferry leave?" in page and str(asked.pk) in page
    assert "north pier" not in page and "hidden words" not in page
    assert str(asked.pk) not in client.get("/traces/?q=lighthouse").content.decode()
    assert "No question is like that" in client.get("/traces/?disliked=1").content.decode()


def test_pages_of_the_list_keep_the_filters(
    asked: TraceRecord, client: Client, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search_app.views import traces

    monkeypatch.setattr(traces, "TRACES_A_PAGE", 1)
    TraceRecord.objects.create(question="ferry?", pipeline=asked.pipeline, body={})
    client.force_login(staff)
    page = client.get("/traces/?q=ferry").content.decode()
    assert 'href="?q=ferry&amp;page=2"' in page and "page 1 of 2" in page


def test_what_was_handed_over_is_shown_whole(asked: TraceRecord, client: Client, dana: User) -> None:
    client.force_login(dana)
    page = client.get(f"/traces/{asked.pk}/").content.decode()
    assert "What the generator was given" in page
    assert "This pipeline writes no answer" in page
    assert "The ferry leaves at nine from the north pier." in page


def test_staff_sees_all_that_was_said_and_the_asker_the_own_word(
    asked: TraceRecord, client: Client, dana: User, staff: User
) -> None:
    Feedback.objects.create(trace=asked, who=f"user:{dana.pk}", user=dana, liked=True)
    Feedback.objects.create(trace=asked, who="browser:x", liked=False, reason="<i>wrong</i> pier")
    client.force_login(dana)
    assert "wrong" not in client.get(f"/traces/{asked.pk}/").content.decode()
    client.force_login(staff)
    page = client.get(f"/traces/{asked.pk}/").content.decode()
    assert "&lt;i&gt;wrong&lt;/i&gt; pier" in page and "not helpful" in page


def test_a_deleted_document_is_blank_everywhere(asked: TraceRecord, client: Client, staff: User) -> None:
    other = ask(staff)
    uploads.delete(Document.objects.filter(name="notes/ferry.md"))
    client.force_login(staff)
    for address in (
        f"/traces/{asked.pk}/",
        f"/traces/{asked.pk}.json",
        f"/traces/{asked.pk}/compare?with={other.pk}",
    ):
        page = client.get(address).content.decode()
        assert "north pier" not in page and "ferry.md" not in page, address
    assert "is deleted" in client.get(f"/traces/{asked.pk}/").content.decode()


def test_the_json_is_the_whole_trace(asked: TraceRecord, client: Client, dana: User) -> None:
    client.force_login(dana)
    sent = json.loads(client.get(f"/traces/{asked.pk}.json").content)
    assert sent["id"] == str(asked.pk)
    assert [r["stage"] for r in sent["body"]["rankings"]] == [r["stage"] for r in asked.body["rankings"]]


def test_asked_again_after_a_change_the_comparison_names_it(
    asked: TraceRecord, client: Client, dana: User
) -> None:
    plain = pipelines.spec("light")
    new = msgspec.structs.replace(plain, fuse=msgspec.structs.replace(plain.fuse, depth=1))
    pipeline_versions.activate(pipeline_versions.save("light", new))
    client.force_login(dana)
    response = client.post(f"/traces/{asked.pk}/again", follow=True)
    assert len(response.redirect_chain) == 1
    page = response.content.decode()
    assert "fuse.depth is 1, was 100" in page
    assert "The orders part at" in page
    newest = TraceRecord.objects.order_by("-created").first()
    assert (newest.user, newest.question) == (dana, asked.question)
    assert "Compare with another time it was asked (1)" in client.get(f"/traces/{asked.pk}/").content.decode()


def test_the_same_pipeline_again_changes_nothing(asked: TraceRecord, client: Client, dana: User) -> None:
    client.force_login(dana)
    page = client.post(f"/traces/{asked.pk}/again", follow=True).content.decode()
    assert "Every stage gave the same order" in page


def test_a_stranger_cannot_have_it_asked_again(asked: TraceRecord, client: Client) -> None:
    assert client.post(f"/traces/{asked.pk}/again").status_code == 404
    assert client.get(f"/traces/{asked.pk}/again").status_code == 405
    assert TraceRecord.objects.count() == 1


def test_who_lost_the_right_cannot_compare(asked: TraceRecord, client: Client, dana: User) -> None:
    other = ask(dana)
    Collection.objects.update(public=False)
    client.force_login(dana)
    assert client.get(f"/traces/{asked.pk}/compare?with={other.pk}").status_code == 404
    assert client.post(f"/traces/{asked.pk}/again").status_code == 404


@pytest.mark.parametrize("other", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_comparing_with_what_is_not_there(asked: TraceRecord, client: Client, dana: User, other: str) -> None:
    client.force_login(dana)
    assert client.get(f"/traces/{asked.pk}/compare?with={other}").status_code == 404
