"""The health page: staff only, every part with its numbers, and why questions of the last hour degraded."""

from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from search_app import health
from search_app.health import Part
from search_app.manage import health_page
from search_app.models import PipelineRecord, TraceRecord
from search_app.pages.hour_chart import Dot, draw
from search_app.pages.words import duration, megabytes


@pytest.fixture
def staff(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    return client


def question(**fields: object) -> TraceRecord:
    pipeline, _ = PipelineRecord.objects.get_or_create(
        fingerprint="f", defaults={"name": "default", "spec": {}}
    )
    values: dict[str, object] = {"question": "?", "pipeline": pipeline, "body": {"skipped": []}}
    return TraceRecord.objects.create(**(values | fields))


def test_only_staff_sees_it(light: None, client: Client) -> None:
    assert client.get("/manage/health").status_code == 302
    client.force_login(User.objects.create_user("dana"))
    assert client.get("/manage/health").status_code == 404


def test_every_part_has_its_card(light: None, staff: Client) -> None:
    page = staff.get("/manage/health").content.decode()
    for name in health.CHECKS:
        assert f'id="part-{name}"' in page
    assert "Nobody has asked anything in the last hour." in page
    assert "data-renew=" in page and "http-equiv" not in page


def test_a_part_that_is_not_well_is_named_in_the_heading(
    light: None, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (
        Part("disk", False, "Only 1 GB is free.", {"free_bytes": 10**9, "total_bytes": 10**11}),
        Part("queue", True, "Fine.", {"queues": [{"name": "rerank", "length": 3, "oldest_s": 200.0}]}),
        Part("soon", True, "A part of a later version.", {"x": 1}),
        Part("models", True, "ok", {}),
    )
    monkeypatch.setattr(health, "report", lambda: parts)
    page = staff.get("/manage/health").content.decode()
    assert "1 part wants attention: Disk" in page
    assert "99 % used" in page and "3 min" in page and "A part of a later version." in page


def test_reasons_are_counted_once_a_question(db: None) -> None:
    lost = [{"stage": "knn", "failed": True}, {"stage": "knn", "failed": True}]
    chosen = [{"stage": "reranked", "failed": False}]
    question(degraded=True, body={"skipped": lost}, rerank_status="partial")
    question(degraded=True, body={"skipped": [*lost, {"stage": "generate", "failed": True}]})
    question(degraded=True, body={"skipped": chosen}, rerank_status="partial")
    question(degraded=False, body={"skipped": chosen})
    assert health_page.reasons(TraceRecord.objects.filter(degraded=True)) == [
        ("search by meaning left out", 2),
        ("the rerank budget ended first", 2),
        ("no answer written", 1),
    ]


def test_only_the_last_hour_counts(db: None) -> None:
    question(total_ms=50, answered=True)
    old = question(total_ms=9000)
    TraceRecord.objects.filter(pk=old.pk).update(created=timezone.now() - timedelta(hours=2))
    hour = health_page.hour_context(timezone.now())
    assert (hour["summary"].questions, hour["p95"], hour["share"]) == (1, "50 ms", "0 %")


def test_dots_stand_where_time_and_duration_say() -> None:
    dots = [Dot(1.0, 100.0, False), Dot(0.0, 200.0, True), Dot(1.7, 50.0, False)]
    svg = ElementTree.fromstring(str(draw(dots, p50_ms=100.0, p95_ms=200.0)))
    first, beyond = ((float(c.get("cx") or 0), float(c.get("cy") or 0)) for c in svg.iter("circle"))
    (lost,) = [r for r in svg.iter("rect") if r.get("class") == "lost"]
    assert first[0] == beyond[0] < float(lost.get("x") or 0)
    assert float(lost.get("y") or 0) < first[1] < beyond[1]
    assert str(draw([], p50_ms=None, p95_ms=None)) == ""
    assert "svg" in str(draw([Dot(0.5, 0.0, False)], p50_ms=0.0, p95_ms=0.0))


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (7200, "2 h"), (10**6, "12 days")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0.0 MB"), (34_015_106, "34 MB"), (1_117_320_768, "1.12 GB")]
)
def test_sizes(number: int, said: str) -> None:
    assert megabytes(number) == said
