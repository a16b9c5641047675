"""Conversations: whose they are, what of them may still be read, and that deleting deletes."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search_app import uploads
from search_app.models import Collection, Conversation, Document, Feedback, TraceRecord
from tests.search_app.web.conftest import ask

SECOND = "Who built the lighthouse?"


def streamed(client: Client, address: str) -> str:
    return b"".join(client.get(address).streaming_content).decode()


def test_a_question_begins_a_conversation_and_the_next_goes_on_with_it(filled: None, client: Client) -> None:
    first = ask(client)
    assert first.conversation and first.conversation.title == "When does the ferry leave?"
    second = ask(client, SECOND, conversation=str(first.conversation_id))
    assert second.conversation_id == first.conversation_id
    assert ask(client, "Another?").conversation_id != first.conversation_id
    page = client.get(f"/answers/{second.pk}").content.decode()
    assert page.index("When does the ferry leave?") < page.index(f'<h1 dir="auto">{SECOND}</h1>')
    assert "Asked before in this conversation" in page
    assert "Asked before" not in client.get(f"/answers/{first.pk}").content.decode()


def test_the_page_that_asks_shows_the_turns_before(filled: None, client: Client) -> None:
    first = ask(client)
    page = client.get("/ask", {"q": SECOND, "conversation": str(first.conversation_id)}).content.decode()
    assert "Asked before" in page and f"conversation={first.conversation_id}" in page


@pytest.mark.parametrize("identity", ["", "nonsense", "00000000-0000-0000-0000-000000000000", "\0"])
def test_a_conversation_that_is_none_begins_a_new_one(filled: None, client: Client, identity: str) -> None:
    assert ask(client, conversation=identity).conversation is not None


def test_nobody_goes_on_with_the_conversation_of_another(filled: None, client: Client) -> None:
    first = ask(client)
    stranger = Client()
    assert ask(stranger, conversation=str(first.conversation_id)).conversation_id != first.conversation_id
    page = stranger.get("/ask", {"q": "x", "conversation": str(first.conversation_id)}).content.decode()
    assert "When does the ferry leave?" not in page


def test_the_list_is_of_this_browser_or_person_only(filled: None, client: Client, dana: User) -> None:
    first = ask(client)
    assert b"When does the ferry leave?" in client.get("/history/").content
    stranger = Client()
    assert b"asked nothing" in stranger.get("/history/").content
    stranger.force_login(dana)
    ask(stranger, SECOND)
    own = stranger.get("/history/").content.decode()
    assert SECOND in own and "ferry" not in own
    for address in ("", ".md", ".json"):
        assert stranger.get(f"/history/{first.conversation_id}{address}").status_code == 404
    assert stranger.post(f"/history/{first.conversation_id}/delete").status_code == 404
    assert Conversation.objects.filter(pk=first.conversation_id).exists()
    elsewhere = Client()
    elsewhere.force_login(dana)
    assert SECOND in elsewhere.get("/history/").content.decode()


def test_signing_in_keeps_what_this_browser_asked(filled: None, client: Client, dana: User) -> None:
    ask(client)
    client.post("/sign-in", {"username": "dana", "password": "long enough to pass"})
    assert b"When does the ferry leave?" in client.get("/history/").content
    client.post("/sign-out")
    assert b"When does the ferry leave?" not in client.get("/history/").content


def test_searching_finds_questions_with_all_words(filled: None, client: Client) -> None:
    first = ask(client)
    ask(client, SECOND, conversation=str(first.conversation_id))
    ask(client, "What does a ticket cost?")
    found = client.get("/history/", {"q": "LIGHTHOUSE built"}).content.decode()
    assert "1 conversation" in found and "2 questions" in found
    assert "What does a ticket" not in found
    assert b"None of your questions" in client.get("/history/", {"q": "lighthouse ticket"}).content
    for odd in ("%", "_", "\\", "'", "\0", "x" * 900):
        assert client.get("/history/", {"q": odd}).status_code == 200


def test_deleting_one_deletes_its_questions_traces_and_feedback(filled: None, client: Client) -> None:
    first, other = ask(client), ask(client, SECOND)
    client.post(f"/answers/{first.pk}/feedback", {"liked": "1"})
    assert client.get(f"/history/{first.conversation_id}/delete").status_code == 405
    assert client.post(f"/history/{first.conversation_id}/delete").headers["Location"] == "/history/"
    assert [r.pk for r in TraceRecord.objects.all()] == [other.pk]
    assert not Feedback.objects.exists()
    assert client.get(f"/answers/{first.pk}").status_code == 404


def test_deleting_all_deletes_ones_own_only(filled: None, client: Client) -> None:
    ask(client)
    stranger = Client()
    kept = ask(stranger)
    client.post("/history/delete")
    assert [r.pk for r in TraceRecord.objects.all()] == [kept.pk]
    assert b"asked nothing" in client.get("/history/").content


@pytest.mark.parametrize("address", ["/history/delete", "/history/{}/delete"])
def test_deleting_needs_the_token_of_a_form(filled: None, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    record = ask(client)
    response = client.post(address.format(record.conversation_id))
    assert response.status_code == 403
    assert b"too old to send" in response.content
    assert TraceRecord.objects.exists()


def test_an_answer_that_may_not_be_read_any_more_says_so_everywhere(
    filled: None, client: Client, dana: User
) -> None:
    board = Collection.objects.get(name="board")
    board.readers.add(dana)
    client.force_login(dana)
    record = ask(client, "Will the ferry company be sold?")
    address = f"/history/{record.conversation_id}"
    assert "sold in spring" in streamed(client, f"{address}.json") or record.used
    board.readers.remove(dana)
    listed, page = client.get("/history/").content.decode(), client.get(address).content.decode()
    exported = streamed(client, f"{address}.json") + streamed(client, "/history/export.md")
    for text in (listed, page, exported):
        assert "may not read now" in text
        assert "sold in spring" not in text and "Plan" not in text
    again = client.get("/ask", {"q": "x", "conversation": str(record.conversation_id)}).content.decode()
    assert "may not read now" in again and "spring" not in again
    assert client.get(f"/answers/{record.pk}").status_code == 404


def test_an_answer_over_a_deleted_document_says_so_everywhere(filled: None, client: Client) -> None:
    record = ask(client)
    uploads.delete([Document.objects.get(name="notes/ferry.md")])
    address = f"/history/{record.conversation_id}"
    texts = [client.get(a).content.decode() for a in ("/history/", address, f"/answers/{record.pk}")]
    texts.append(streamed(client, f"{address}.json"))
    for text in texts:
        assert "has been deleted" in text
        assert "north pier" not in text


def test_exports_hold_question_answer_and_sources(filled: None, client: Client) -> None:
    first = ask(client)
    ask(client, SECOND, conversation=str(first.conversation_id))
    (value,) = json.loads(streamed(client, "/history/export.json"))
    assert [turn["question"] for turn in value["questions"]] == ["When does the ferry leave?", SECOND]
    assert value["questions"][0]["passages"][0]["title"] == "Ferry"
    response = client.get("/history/export.md")
    assert response.headers["Content-Disposition"] == 'attachment; filename="sieve-history.md"'
    text = b"".join(response.streaming_content).decode()
    assert "## When does the ferry leave?" in text and "Ferry, notes" in text
    assert json.loads(streamed(Client(), "/history/export.json")) == []


def test_an_export_is_no_markup(filled: None, client: Client) -> None:
    record = ask(client, "<script>alert(1)</script> [x](javascript:y) # ferry")
    text = streamed(client, f"/history/{record.conversation_id}.md")
    assert "<script" not in text.replace("\\<", "") and "[x](" not in text.replace("\\[", "").replace(
        "\\]", ""
    )
    page = client.get("/history/").content.decode()
    assert "<script>alert" not in page
