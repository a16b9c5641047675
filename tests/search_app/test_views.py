import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from search_app import asking, sse
from search_app.models import Document, TraceRecord
from search_app.views import ask as views


@pytest.fixture
def filled(ingest: Callable[..., object], folder: Path) -> None:
    ingest(folder)


def frames(client: Client, address: str) -> list[tuple[str, str]]:
    """The events of a stream, read as a browser reads them."""
    response = client.get(address)
    assert response.headers["Content-Type"].startswith("text/event-stream")
    body = b"".join(response.streaming_content).decode()
    assert body.endswith("\n\n")
    events = []
    for frame in body.removesuffix("\n\n").split("\n\n"):
        if frame == ":":  # a comment: it only asks whether somebody still listens
            continue
        fields = [line.partition(": ")[::2] for line in frame.split("\n")]
        data = "\n".join(value for name, value in fields if name == "data")
        events.append((dict(fields)["event"], data))
    return events


@pytest.mark.parametrize("data", ["", "one", "a\nb", "a\r\nb\rc\n\nd", "data: x\n\nevent: done\n\n"])
def test_nothing_in_the_data_can_end_an_event(data: str) -> None:
    frame = sse.event("delta", data)
    name, *lines, end, _ = frame.split("\n")
    assert (name, end) == ("event: delta", "")
    assert all(line.startswith("data: ") for line in lines)
    assert "\n".join(line[6:] for line in lines) == re.sub(r"\r\n?", "\n", data)


def test_a_first_run_says_what_to_do(light: None, client: Client) -> None:
    page = client.get("/").content.decode()
    assert "manage.py ingest" in page


def test_the_page_asks_and_carries_strict_headers(filled: None, client: Client) -> None:
    response = client.get("/ask", {"q": "When does the ferry leave?"})
    assert b"data-stream" in response.content
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert TraceRecord.objects.count() == 0


def test_a_stream_shows_passages_first_and_ends_done(filled: None, client: Client) -> None:
    events = frames(client, "/ask/stream?q=When+does+the+ferry+leave")
    assert [name for name, _ in events] == ["found", "passages", "done"]
    assert "north pier" in events[0][1]
    record = TraceRecord.objects.get()
    assert str(record.pk) in events[-1][1]
    assert client.get(f"/answers/{record.pk}").status_code == 200
    assert b"ferry" in client.get(f"/traces/{record.pk}/").content
    exported = client.get(f"/traces/{record.pk}.json").json()
    assert exported["body"]["query"]["text"] == "When does the ferry leave"


def test_without_scripts_one_waits_for_the_answer(filled: None, client: Client) -> None:
    response = client.get("/ask", {"q": "ferry", "wait": "1"}, follow=True)
    assert response.redirect_chain == [(f"/answers/{TraceRecord.objects.get().pk}", 302)]
    assert b"north pier" in response.content


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("q=", "empty"), ("q=" + "x" * 3000, "longer"), ("q=ferry&collection=nope", "no collection nope")],
)
def test_what_cannot_be_asked_fails_with_a_sentence(
    filled: None, client: Client, query: str, sentence: str
) -> None:
    ((name, data),) = frames(client, f"/ask/stream?{query}")
    assert name == "failed"
    assert sentence in json.loads(data)["message"]


def test_without_scripts_what_cannot_be_asked_is_said_too(filled: None, client: Client) -> None:
    response = client.get("/ask", {"q": "ferry", "wait": "1", "collection": "nowhere"})
    assert response.status_code == 400
    assert "nowhere" in response.content.decode()


def test_an_inner_error_is_told_without_its_words(
    filled: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(views, "answer_context", broken)
    ((name, data),) = frames(client, "/ask/stream?q=ferry")
    assert (name, json.loads(data)["message"]) == ("failed", views.BROKEN)


def test_a_reader_who_leaves_ends_the_question_and_its_trace_is_kept(filled: None) -> None:
    pieces = views.frames(RequestFactory().get("/"), asking.ask("ferry", viewer=asking.Viewer(asker="x")))
    assert any(piece.startswith("event: found") for piece in pieces)  # and no further
    pieces.close()
    record = TraceRecord.objects.get()
    assert (record.question, record.answered) == ("ferry", False)
    assert {r["stage"] for r in record.body["rankings"]} >= {"bm25", "knn", "fused"}


def test_closing_a_recording_keeps_what_was_done(filled: None) -> None:
    recording = asking.ask("ferry", viewer=asking.Viewer(asker="x"))
    events = recording.events()
    next(events)
    events.close()
    assert TraceRecord.objects.get().body["rankings"] == []


def test_a_citation_opens_in_its_document(filled: None, client: Client) -> None:
    row = Document.objects.get(name="notes/ferry.md")
    text = row.versions.get().text
    start = text.index("north")
    page = client.get(f"/documents/{row.pk}?version=1&start={start}&end={start + 10}").content.decode()
    assert re.search(r'<mark id="cited">north pier</mark>', page)
    outdated = client.get(f"/documents/{row.pk}?version=9&start=0&end=4").content.decode()
    assert "<mark" not in outdated
    assert "is gone" in outdated


def test_text_of_documents_is_never_markup(
    ingest: Callable[..., object], folder: Path, client: Client
) -> None:
    (folder / "evil.txt").write_text("The ferry <script>alert(1)</script> & <img src=x onerror=y> leaves.\n")
    ingest(folder)
    row = Document.objects.get(name="notes/evil.txt")
    pages = [client.get(f"/documents/{row.pk}").content.decode()]
    pages += [data for _, data in frames(client, "/ask/stream?q=ferry+script+alert")]
    pages += [client.get(f"/traces/{TraceRecord.objects.get().pk}/").content.decode()]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;" in pages[0]


@pytest.mark.parametrize(
    "address",
    ["/documents/999", "/answers/00000000-0000-0000-0000-000000000000", "/documents/99999999999999999999"],
)
def test_what_is_not_there_is_not_found(light: None, client: Client, address: str) -> None:
    assert client.get(address).status_code == 404


def test_only_reading_is_answered(light: None, client: Client) -> None:
    for address in ("/", "/ask/stream", "/healthz"):
        assert client.post(address).status_code == 405


def test_health(db: None, client: Client) -> None:
    assert client.get("/healthz").content == b"ok\n"


def test_the_admin_lists_everything_and_a_trace_opens_on_its_page(filled: None, client: Client) -> None:
    frames(client, "/ask/stream?q=ferry")
    client.force_login(User.objects.create_superuser("root", password="long enough to pass"))
    record = TraceRecord.objects.get()
    for model in ("collection", "document", "tracerecord", "pipelinerecord"):
        assert client.get(f"/admin/search_app/{model}/").status_code == 200
    response = client.get(f"/admin/search_app/tracerecord/{record.pk}/change/")
    assert (response.status_code, response.headers["Location"]) == (302, f"/traces/{record.pk}/")
    row = Document.objects.first()
    assert b"Open" in client.get(f"/admin/search_app/document/{row.pk}/change/").content
    assert b"ferry" in client.get("/traces/").content


def test_the_admin_deletes_documents_from_the_index_too(filled: None, client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="long enough to pass"))
    row = Document.objects.get(name="notes/ferry.md")
    client.post(f"/admin/search_app/document/{row.pk}/delete/", {"post": "yes"})
    assert not Document.objects.filter(name="notes/ferry.md").exists()
    assert not any("pier" in data for _, data in frames(client, "/ask/stream?q=ferry+pier"))
