from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from search_app import asking, expiry, selectors, services, upkeep
from search_app.access import OPERATOR
from search_app.models import Conversation, Feedback, PassageText, TraceRecord

VIEWER = asking.Viewer(asker="x")


@pytest.fixture
def ask(ingest: Callable[..., object], folder: Path) -> Callable[..., TraceRecord]:
    """Ask, and have it been asked so many days ago."""
    ingest(folder)

    def run(question: str, days: float = 0, conversation: Conversation | None = None) -> TraceRecord:
        recording = asking.ask(question, viewer=VIEWER, conversation=conversation)
        recording.finish()
        rows = TraceRecord.objects.filter(pk=recording.trace_id)
        then = timezone.now() - timedelta(days=days)
        rows.update(created=then)
        if days:
            PassageText.objects.update(used=then.date())
        return rows.get()

    return run


def test_old_traces_go_with_what_hangs_on_them(ask: Callable[..., TraceRecord]) -> None:
    old_talk, talk = (Conversation.objects.create(title=t, asker="x") for t in ("old", "both"))
    old = ask("ferry", 91, old_talk)
    Feedback.objects.create(trace=old, who="browser:x", liked=False)
    ask("pier", 91, talk)
    young = ask("lighthouse", 89, talk)
    Conversation.objects.update(updated=timezone.now() - timedelta(days=91))
    assert expiry.expire_traces(timezone.now()) == 2
    assert list(TraceRecord.objects.values_list("pk", flat=True)) == [young.pk]
    assert list(Conversation.objects.values_list("title", flat=True)) == ["both"]
    assert Feedback.objects.count() == 0
    assert expiry.expire_traces(timezone.now()) == 0


def test_a_conversation_that_is_about_to_begin_stays(ask: Callable[..., TraceRecord]) -> None:
    Conversation.objects.create(title="new", asker="x")
    expiry.expire()
    assert Conversation.objects.count() == 1


def test_a_text_goes_when_no_trace_can_show_it(ask: Callable[..., TraceRecord]) -> None:
    ask("ferry", 97)
    expiry.expire()
    assert PassageText.objects.count() > 0, "a trace of the day may have used it a few days later"
    PassageText.objects.update(used=timezone.now().date() - timedelta(days=98))
    assert expiry.expire().texts > 0
    assert PassageText.objects.count() == 0


def test_a_text_that_is_used_again_stays_for_the_new_trace(ask: Callable[..., TraceRecord]) -> None:
    ask("When does the ferry leave?", 200)
    again = ask("When does the ferry leave?")
    assert set(PassageText.objects.values_list("used", flat=True)) == {timezone.now().date()}
    expiry.expire()
    shown = selectors.stored_trace(OPERATOR, TraceRecord.objects.get(pk=again.pk)).trace
    assert all(passage.text for passage in shown.passages.values())


def test_zero_days_keep_everything_but_sessions(ask: Callable[..., TraceRecord], settings: object) -> None:
    settings.TRACE_DAYS = 0
    ask("ferry", 5000)
    store = SessionStore()
    store.create()
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    assert expiry.expire() == expiry.Expired(0, 0, 0, 1)
    assert TraceRecord.objects.count() == 1


def test_many_go_in_small_batches(ask: Callable[..., TraceRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", 3)
    for _ in range(7):
        ask("ferry", 100)
    assert expiry.expire_traces(timezone.now()) == 7


def test_the_command_counts_before_it_deletes(ask: Callable[..., TraceRecord]) -> None:
    ask("ferry", 100)
    said = StringIO()
    call_command("expire", "--dry-run", stdout=said)
    assert "To go: 1 traces" in said.getvalue()
    assert TraceRecord.objects.count() == 1
    call_command("expire", stdout=said)
    assert "Gone: 1 traces" in said.getvalue()
    assert TraceRecord.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_texts_are_looked_up_once_a_day_and_process(
    ask: Callable[..., TraceRecord], django_assert_num_queries: Callable
) -> None:
    services._noted.clear()
    record = ask("When does the ferry leave?")
    passages = selectors.stored_trace(OPERATOR, record).trace.passages.values()
    with django_assert_num_queries(0):
        services._keep_texts(passages)
    services._noted.update(dict.fromkeys(services._noted, timezone.now().date() - timedelta(days=1)))
    with django_assert_num_queries(2):
        services._keep_texts(passages)


def test_the_upkeep_of_the_ingest_worker_does_it(
    ask: Callable[..., TraceRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_last", None)
    ask("ferry", 100)
    upkeep.upkeep()
    assert TraceRecord.objects.count() == 0
