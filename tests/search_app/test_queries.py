"""The list of queries by value: each filter alone, percentiles by hand, and that no body is ever loaded."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from search_app import queries
from search_app.models import Feedback, PipelineRecord, TraceRecord
from search_app.queries import Filters

pytestmark = pytest.mark.django_db


def row(
    question: str = "Where is the pier?", *, ago: timedelta = timedelta(), **fields: object
) -> TraceRecord:
    pipeline, _ = PipelineRecord.objects.get_or_create(
        fingerprint=f"sha256:{fields.pop('pipeline', 'default')}",
        defaults={"name": fields.pop("name", "default"), "spec": {"generate": fields.pop("generate", {})}},
    )
    made = TraceRecord.objects.create(
        question=question, pipeline=pipeline, body={"answer": "secret"}, **fields
    )
    TraceRecord.objects.filter(pk=made.pk).update(created=timezone.now() - ago)
    return made


def found(**filters: str) -> set[object]:
    return {record.pk for record in queries.found(queries.read(filters))}


def test_every_word_must_be_in_the_question_in_any_order_and_case() -> None:
    one, _ = row("Where is the Ferry pier?"), row("When does the ferry leave?")
    assert found(q="PIER ferry") == {one.pk}
    assert found(q="pier 100%") == set()


def test_a_percent_sign_is_no_wildcard() -> None:
    one, _ = row("Is 5% too much?"), row("Is 5 too much?")
    assert found(q="5%") == {one.pk}


def test_each_filter_alone() -> None:
    dana, ben = User.objects.create(username="dana"), User.objects.create(username="ben")
    plain = row(answered=True, total_ms=100, rerank_status="applied")
    by_dana = row(user=dana, answered=True, total_ms=100)
    as_dana = row(user=ben, as_user=dana, answered=True)
    slow = row(answered=True, total_ms=2000.5)
    lost = row(answered=True, degraded=True, rerank_status="partial")
    silent = row(answered=False)
    other = row(answered=True, pipeline="rrf", name="rrf")
    row(answered=False, pipeline="search", name="search", generate=None)  # nobody wanted an answer
    Feedback.objects.create(trace=plain, who="browser:a", liked=False)
    Feedback.objects.create(trace=slow, who="browser:a", liked=True)
    assert found(user="dana") == {by_dana.pk, as_dana.pk}
    assert found(slow="2000") == {slow.pk}
    assert found(degraded="1") == {lost.pk} == found(rerank="partial")
    assert found(unanswered="1") == {silent.pk}
    assert found(disliked="1") == {plain.pk}
    assert found(pipeline="rrf") == {other.pk} == found(pipeline="sha256:rrf")
    assert found(user="dana", slow="2000") == set()


def test_days_and_periods() -> None:
    now, before = row(), row(ago=timedelta(hours=3))
    week = row(ago=timedelta(days=6))
    assert found(period="hour") == {now.pk}
    assert found(period="week") == {now.pk, before.pk, week.pk}
    day = timezone.localdate(timezone.now() - timedelta(days=6)).isoformat()
    assert found(since=day, until=day) == {week.pk}


@pytest.mark.parametrize(
    "sent",
    [
        {"slow": "-1"},
        {"slow": "9" * 30},
        {"slow": "۳"},
        {"since": "2026-13-45"},
        {"until": "9999-12-31"},
        {"since": "0001-01-01"},
        {"period": "century"},
        {"rerank": "'; drop table"},
        {"q": "\0"},
        {"since": "tomorrow"},
    ],
)
def test_what_makes_no_sense_filters_nothing(sent: dict[str, str]) -> None:
    row()
    assert queries.read(sent) == Filters()
    assert len(found(**sent)) == 1


def test_percentiles_are_times_that_were_taken() -> None:
    for number in range(1, 21):
        row(total_ms=float(number), degraded=number > 18, answered=number > 5)
    Feedback.objects.create(trace=TraceRecord.objects.first(), who="x", liked=False)
    summary = queries.summary(queries.found(Filters()))
    assert (summary.questions, summary.degraded, summary.unanswered, summary.disliked) == (20, 2, 5, 1)
    assert (summary.p50_ms, summary.p95_ms) == (10.0, 19.0)
    row(total_ms=7.0, question="alone")
    assert queries.summary(queries.found(Filters(q="alone"))).p95_ms == 7.0


def test_nothing_has_no_percentiles() -> None:
    assert queries.summary(queries.found(Filters())) == queries.Summary(0, 0, 0, 0, None, None)


def test_no_query_asks_for_a_body() -> None:
    row(user=User.objects.create(username="dana"))
    with CaptureQueriesContext(connection) as captured:
        rows = queries.found(queries.read({"q": "pier"}))
        queries.summary(rows)
        assert [str(record.user) for record in rows] == ["dana"]
        list(queries.others_of(rows[0]))
    assert captured.captured_queries and not any('"body"' in q["sql"] for q in captured.captured_queries)


def test_an_address_keeps_what_is_set() -> None:
    filters = queries.read({"q": "a b&c", "degraded": "on", "slow": "5"})
    assert filters.query() == "q=a+b%26c&slow=5&degraded=1"
    assert filters.query(q="", slow="7") == "slow=7&degraded=1"
    assert filters.any and not Filters().any


def test_others_of_a_question_are_those_of_the_same_words() -> None:
    first, second, _ = row("Why?"), row("Why?"), row("Why not?")
    assert [record.pk for record in queries.others_of(first)] == [second.pk]
