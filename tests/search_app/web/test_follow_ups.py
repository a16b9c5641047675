"""A conversation in which questions go on with one another: what is understood, kept, shown and shared."""

import json

import pytest
from django.test import Client

from search_app import conversations
from search_app.access import Viewer
from search_app.models import Collection, Conversation, TraceRecord
from tests.search_app.web.conftest import ask

FERRY, COST = "When does the ferry leave?", "How much does it cost?"
pytestmark = pytest.mark.usefixtures("understanding")


def going_on(client: Client, *questions: str) -> list[TraceRecord]:
    records: list[TraceRecord] = []
    for question in questions:
        more = {"conversation": str(records[0].conversation_id)} if records else {}
        records.append(ask(client, question, **more))
    return records


def test_a_follow_up_is_understood_and_the_next_goes_on_with_what_was_understood(
    filled: None, client: Client
) -> None:
    first, second, third = going_on(client, FERRY, COST, "And in winter?")
    assert first.body["rewriting"] is None and first.body["query"]["history"] == []
    assert second.body["query"]["history"] == [FERRY]
    assert second.body["rewriting"]["question"] == f"{COST} (ferry leave)"
    assert third.body["query"]["history"] == [FERRY, f"{COST} (ferry leave)"]
    assert "ferry" in third.body["rewriting"]["question"]
    assert [r.question for r in (first, second, third)] == [FERRY, COST, "And in winter?"]


def test_only_the_last_questions_count(filled: None, client: Client) -> None:
    records = going_on(client, *(f"Where is number {n}?" for n in range(8)))
    assert records[-1].body["query"]["history"] == [f"Where is number {n}?" for n in range(2, 7)]


def test_another_ones_questions_help_nobody(filled: None, client: Client) -> None:
    (first,) = going_on(client, FERRY)
    assert ask(Client(), COST, conversation=str(first.conversation_id)).body["query"]["history"] == []
    assert ask(client, COST).body["query"]["history"] == [], "another conversation of the same person"


def test_a_question_whose_passages_were_closed_helps_no_more(filled: None, client: Client) -> None:
    Collection.objects.filter(name="board").update(public=True)
    (first,) = going_on(client, "When will the ferry company be sold?")
    Collection.objects.filter(name="board").update(public=False)
    second = ask(client, COST, conversation=str(first.conversation_id))
    assert second.body["query"]["history"] == [] and second.body["rewriting"] is None


def test_history_and_exports_show_both_questions(filled: None, client: Client) -> None:
    first, _ = going_on(client, FERRY, COST)
    for form in ("md", "json"):
        answer = client.get(f"/history/{first.conversation_id}.{form}")
        text = b"".join(answer.streaming_content).decode()
        assert COST in text and f"{COST} (ferry leave)" in text
        if form == "json":
            json.loads(text)
    assert COST in client.get(f"/history/{first.conversation_id}").content.decode()
    assert (
        COST in client.get("/history/", {"q": "cost"}).content.decode() or Conversation.objects.count() == 1
    )
    client.post(f"/history/{first.conversation_id}/delete")
    assert not TraceRecord.objects.exists() and not Conversation.objects.exists()


def test_a_shared_answer_shares_no_other_question(filled: None, client: Client) -> None:
    _, second = going_on(client, FERRY, COST)
    TraceRecord.objects.filter(pk=second.pk).update(shared=True)
    assert FERRY in client.get(f"/traces/{second.pk}.json").content.decode()
    assert FERRY not in Client().get(f"/traces/{second.pk}.json").content.decode()


def test_quotation_marks_hold_or_say_that_they_do_not(filled: None, client: Client) -> None:
    held = ask(client, 'Where is "built of granite" written?')
    assert len(held.body["passages"]) == 1
    lost = ask(client, 'Where is "built of cheese" written?')
    assert len(lost.body["passages"]) > 1
    (skip,) = [s for s in lost.body["skipped"] if s["stage"] == "phrases"]
    assert "“built of cheese”" in skip["reason"] and skip["failed"]


def test_questions_are_those_of_readable_turns(filled: None, client: Client) -> None:
    first, second = going_on(client, FERRY, COST)
    viewer = Viewer(asker=first.asker)
    assert first.conversation is not None
    assert conversations.questions(viewer, first.conversation) == (FERRY, f"{COST} (ferry leave)")
    TraceRecord.objects.filter(pk=second.pk).delete()
    assert conversations.questions(viewer, first.conversation) == (FERRY,)
