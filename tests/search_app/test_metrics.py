import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from rag.answers import Usage
from rag.types import Spent, Timing
from search_app import asking, health, keys, metrics
from tests.rag.build import ranking
from tests.search_app.pages.build_trace import build

ROOT = Path(__file__).resolve().parent.parent.parent
Sample = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Sample:
    """Every sample by its name and labels, read by Prometheus' own parser."""
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def grown(before: Sample, after: Sample) -> Sample:
    return {
        key: value - before.get(key, 0.0) for key, value in after.items() if value != before.get(key, 0.0)
    }


@pytest.fixture
def asked(ingest: Callable[..., object], folder: Path) -> Callable[[str], object]:
    ingest(folder)
    return lambda text: asking.ask(text, viewer=asking.Viewer(is_staff=True)).finish()


def scrape() -> Sample:
    return read(metrics.text(health.report()).decode())


@pytest.mark.django_db(transaction=True)
def test_a_question_is_counted_from_its_trace(asked: Callable) -> None:
    before = scrape()
    trace = asked("When does the ferry leave?")
    found = grown(before, scrape())
    labels = (("answered", "no"), ("degraded", "no"), ("pipeline", "light"), ("rerank", trace.rerank.status))
    assert found["sieve_questions_total", labels] == 1
    assert found["sieve_question_seconds_count", (("pipeline", "light"),)] == 1
    took = found["sieve_question_seconds_sum", (("pipeline", "light"),)]
    assert took == pytest.approx(trace.total_ms / 1000)
    for timing in trace.timings:
        assert found["sieve_stage_seconds_count", (("stage", timing.step),)] == 1
        spent = found["sieve_stage_seconds_sum", (("stage", timing.step),)]
        assert spent == pytest.approx(timing.elapsed_ms / 1000)
    assert found["sieve_traces", ()] == 1


@pytest.mark.django_db(transaction=True)
def test_waiting_is_told_apart_from_computing(asked: Callable) -> None:
    trace = asked("ferry")
    before = scrape()
    metrics.count_question(replace(trace, timings=(Timing("reranked", 0.0, 300.0, 200.0),)))
    found = grown(before, scrape())
    assert found["sieve_stage_wait_seconds_sum", (("stage", "reranked"),)] == pytest.approx(0.1)


@pytest.mark.django_db(transaction=True)
def test_what_reranking_cost_is_counted_by_stage(asked: Callable) -> None:
    trace, before = asked("ferry"), scrape()
    scored = ranking("reranked", "logit", a=2.0, b=1.0, c=0.5)
    cost = Spent(tokens=90, cached=2, requests=1, queue_ms=30.0, usd=0.002, repaired=1, stopped="gap")
    metrics.count_question(replace(trace, rankings=(scored,), spent={"reranked": cost}))
    found = grown(before, scrape())
    stage = ("stage", "reranked")
    assert found["sieve_rerank_scores_total", (("source", "cache"), stage)] == 2
    assert found["sieve_rerank_scores_total", (("source", "model"), stage)] == 1
    assert found["sieve_rerank_tokens_total", (stage,)] == 90
    assert found["sieve_rerank_requests_total", (stage,)] == 1
    assert found["sieve_rerank_usd_total", (stage,)] == pytest.approx(0.002)
    assert found["sieve_rerank_repaired_total", (stage,)] == 1
    assert found["sieve_rerank_stopped_total", (("reason", "gap"), stage)] == 1
    assert found["sieve_rerank_queue_seconds_sum", (stage,)] == pytest.approx(0.03)


@pytest.mark.django_db(transaction=True)
def test_the_state_of_the_installation_is_told(asked: Callable) -> None:
    found = scrape()
    assert found["sieve_documents", (("state", "searchable"),)] == 3
    assert found["sieve_documents", (("state", "failed"),)] == 0
    assert found["sieve_part_ok", (("part", "index"),)] == 1
    assert found["sieve_passages", ()] >= 3
    assert found["sieve_disk_free_bytes", ()] > 0


@pytest.mark.django_db(transaction=True)
def test_requests_are_counted_by_route_and_never_by_address(light: None, client: Client) -> None:
    before = scrape()
    client.get("/documents/987654321")
    client.get("/zanzibar-unknown")
    client.get("/favicon.ico")
    client.generic("ZANZIBAR", "/healthz")
    after = metrics.text(()).decode()
    found = grown(before, read(after))
    assert (
        found["sieve_http_requests_total", (("method", "GET"), ("route", "document"), ("status", "404"))] == 1
    )
    assert found["sieve_http_requests_total", (("method", "GET"), ("route", "none"), ("status", "404"))] == 1
    icon = (("method", "GET"), ("route", "unnamed"), ("status", "302"))
    assert found["sieve_http_requests_total", icon] == 1
    other = (("method", "other"), ("route", "healthz"), ("status", "405"))
    assert found["sieve_http_requests_total", other] == 1
    assert "987654321" not in after
    assert "anzibar" not in after.lower()


@pytest.mark.django_db(transaction=True)
def test_only_staff_and_keys_with_the_scope_read_the_metrics(
    light: None, client: Client, settings: object
) -> None:
    user = User.objects.create_user("ann", password="long enough 1")
    _, right = keys.make(user, "prometheus", ["metrics"])
    row, wrong = keys.make(user, "search", ["search", "read"])
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    told = client.get("/metrics", headers={"Authorization": f"Bearer {right}"})
    assert told.status_code == 200
    assert told.headers["Content-Type"].startswith("text/plain; version=")
    client.force_login(user)
    assert client.get("/metrics").status_code == 401
    client.force_login(User.objects.create_user("eve", is_staff=True))
    assert client.get("/metrics").status_code == 200
    client.logout()
    settings.METRICS_OPEN = True
    assert client.get("/metrics").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_ready_says_which_part_is_not(
    light: None, client: Client, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = client.get("/readyz").json()
    assert body["ready"] is True
    assert {"name": "database", "ok": True, "required": True} in body["parts"]
    monkeypatch.setitem(health.CHECKS, "index", lambda: (False, "It has a path in it.", {"path": "x"}))
    monkeypatch.setitem(health.CHECKS, "disk", lambda: (False, "Full.", {}))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert {"name": "index", "ok": False, "required": True} in answer.json()["parts"]
    assert b"path" not in answer.content
    client.force_login(User.objects.create_user("eve", is_staff=True))
    told = {part["name"]: part for part in client.get("/readyz").json()["parts"]}
    assert told["index"]["sentence"] == "It has a path in it."
    assert told["index"]["details"] == {"path": "x"}
    assert told["disk"]["required"] is False


def test_several_processes_tell_their_numbers_together(tmp_path: Path) -> None:
    """With the folder set, a process tells what another one, ended by now, has counted."""
    code = (
        "import django; django.setup(); from search_app import metrics\n"
        "metrics.count_request('home', 'GET', 200, 0.01)\n"
        "import json; from prometheus_client import generate_latest\n"
        "metrics.TraceRecord = type('T', (), {'objects': type('O', (), {'count': lambda: 0})})\n"
        "print(json.dumps(metrics.text(()).decode()))"
    )
    folder = tmp_path / "numbers"
    folder.mkdir()
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    for expected in (1, 2):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = read(json.loads(done.stdout))
        labels = (("method", "GET"), ("route", "home"), ("status", "200"))
        assert found["sieve_http_requests_total", labels] == expected


def test_alive_means_that_the_database_answers(
    db: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/healthz").content == b"ok\n"

    def broken(_: object) -> None:
        raise OperationalError("no such host db.internal")

    monkeypatch.setattr("search_app.views.health.connection", type("Away", (), {"cursor": broken})())
    answer = client.get("/healthz")
    assert (answer.status_code, b"internal" in answer.content) == (503, False)


def test_what_is_written_is_counted_by_how_it_ended_and_what_supports_it() -> None:
    def of(name: str, **labels: str) -> float:
        labels = {"pipeline": "default"} | labels
        return read(generate_latest(metrics._here).decode()).get((name, tuple(sorted(labels.items()))), 0.0)

    usage = Usage("chat", 900, 40, cached_tokens=512, tokens_per_s=12.5, usd=0.25)
    answer = replace(build().answer, unknown_markers=2)  # type: ignore[type-var]
    before = of("sieve_answer_sentences_total", verdict="unsupported")
    tokens = of("sieve_answer_tokens_total", kind="cached")
    first = of("sieve_answer_first_seconds_sum")
    metrics.count_question(replace(build(), usage=usage, answer=answer))
    metrics.count_question(build(answered="no_answer"))
    metrics.count_question(build(answered="none"))
    assert of("sieve_answer_sentences_total", verdict="unsupported") - before == 1
    assert of("sieve_answer_tokens_total", kind="cached") - tokens == 512
    assert of("sieve_answer_first_seconds_sum") - first == pytest.approx(2 * (527.3 + 171.0) / 1000)
    assert of("sieve_answers_total", finish="no_answer") >= 1
    assert of("sieve_answers_total", finish="none") >= 1
    assert of("sieve_answer_unknown_markers_total") >= 2
    assert of("sieve_answer_usd_total") >= 0.25
