import json

import pytest
from django.db import connection

from search_app.models import PipelineRecord, TraceRecord

VALUES = [
    {"a": [1, 2.5, -0.1, 1e300, 5e-324, 0.30000000000000004], "b": None, "c": True, "d": {}},
    {"text": 'quotes " and \\ and \n and \u2028 and \U0001f600 and \x00'},
    {"big": 2**63, "small": -(2**63)},
    {"half": "a \ud800 b"},
    {},
]


def stored(body: object) -> TraceRecord:
    pipeline, _ = PipelineRecord.objects.get_or_create(fingerprint="f", defaults={"name": "p", "spec": {}})
    return TraceRecord.objects.create(question="q", pipeline=pipeline, body=body)


@pytest.mark.django_db
@pytest.mark.parametrize("value", VALUES, ids=str)
def test_what_is_written_is_read(value: object) -> None:
    if connection.vendor != "sqlite" and value:
        pytest.skip("another database writes JSON by itself, and takes neither NUL nor half characters")
    row = stored(value)
    assert TraceRecord.objects.get(pk=row.pk).body == value
    assert TraceRecord.objects.values_list("body", flat=True).get() == value


@pytest.mark.django_db
def test_what_json_wrote_before_is_read() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("another database writes JSON by itself")
    row = stored({})
    value = {"text": "\u00e9 \u2028", "half": "\ud800", "number": 0.1}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE search_app_tracerecord SET body = %s", [json.dumps(value)])
    row.refresh_from_db()
    assert row.body == value


@pytest.mark.django_db
def test_the_column_can_be_asked_as_any_json_column() -> None:
    stored({"rankings": [{"stage": "bm25"}]})
    assert TraceRecord.objects.filter(body__rankings__0__stage="bm25").count() == 1
    assert TraceRecord.objects.filter(body={"rankings": [{"stage": "bm25"}]}).count() == 1


def test_a_migration_knows_a_plain_json_column() -> None:
    field = TraceRecord._meta.get_field("body")
    assert field.deconstruct()[1] == "django.db.models.JSONField"
