"""What is left of the index is said everywhere: by the real pipeline over readers that fail by script."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from prometheus_client import CollectorRegistry

from rag.errors import IndexUnavailable
from rag.index.base import IndexReader, Leg
from rag.types import NO_FILTERS, Hybrid, Lexical, Ranking
from search_app import health, indexes, keys, logs, metrics, modes, pipelines, queries
from search_app.access import OPERATOR
from search_app.asking import ask
from search_app.models import StoredResponse, TraceRecord
from search_app.pages.answer import answer_context
from search_app.pages.trace import trace_context

QUESTION = "When does the ferry leave from the north pier?"
AWAY = "The search cluster did not answer in time."
SHARDS = "2 of 5 shards answered"


@dataclass
class Broken:
    """The real reader, of which legs are lost, are partial, or nothing answers at all."""

    real: IndexReader
    lost: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    counts: bool = True
    searches: bool = True
    asked: list[str] = field(default_factory=list)

    def search(self, subqueries: Any, k: int, collections: Any, filters: Any = NO_FILTERS) -> tuple[Leg, ...]:
        if not self.searches:
            raise IndexUnavailable(AWAY)
        names = ["bm25" if isinstance(one, Lexical) else "knn" for one in subqueries]
        single = [one for one in subqueries if not isinstance(one, Hybrid)]
        legs = [*self.real.search(single, k, collections, filters), *self._fused(subqueries, single)]
        return tuple(self._leg(name, leg) for name, leg in zip(names, legs, strict=True))

    def _fused(self, subqueries: Any, single: Any) -> list[Leg]:
        """As a cluster fuses: all or nothing, and backwards, so that one sees who did it."""
        if len(single) == len(subqueries):
            return []
        if self.lost:
            return [Leg(None, IndexUnavailable(AWAY), 0.0, 1.0)]
        passages = [p for leg in self.real.search(single, 100, ["notes"]) for p in leg.ranking.passages]
        scored = {p.id: (p, float(place)) for place, p in enumerate(passages)}
        return [Leg(Ranking.of("fused", "rrf", scored.values()), None, 0.0, 1.0)]

    def _leg(self, name: str, leg: Leg) -> Leg:
        if name in self.lost:
            return replace(leg, ranking=None, error=IndexUnavailable(AWAY))
        return replace(leg, partial=SHARDS) if name in self.partial else leg

    def count(self, collections: Any) -> int:
        if not self.counts:
            raise IndexUnavailable(AWAY)
        return self.real.count(collections)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


LEGS = frozenset({"bm25", "knn"})
BROKEN: dict[str, dict[str, Any]] = {
    "full": {},
    "bm25_only": {"lost": frozenset({"knn"})},
    "knn_only": {"lost": frozenset({"bm25"})},
    "partial": {"partial": frozenset({"knn"})},
}
DOWN: dict[str, dict[str, Any]] = {
    "each leg": {"lost": LEGS},
    "the search": {"searches": False},
    "all of it": {"searches": False, "counts": False},
}
SAID = {
    "bm25_only": f"Searched by words only: {AWAY}",
    "knn_only": f"Searched by meaning only: {AWAY}",
    "partial": f"Only a part of the index was searched, so passages may be missing: {SHARDS}.",
}

Break = Callable[..., Broken]


@pytest.fixture
def broken(ingest: Callable[..., object], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Break:
    ingest(folder)
    real = indexes.reader(pipelines.encoder())

    def change(**how: Any) -> Broken:
        reader = Broken(real, **how)
        monkeypatch.setattr(indexes, "reader", lambda _: reader)
        return reader

    return change


@pytest.fixture
def counted() -> Iterator[Callable[[], dict[str, float]]]:
    def now() -> dict[str, float]:
        registry: CollectorRegistry = metrics._here
        return {
            m: registry.get_sample_value("sieve_index_mode_total", {"mode": m}) or 0.0 for m in modes.MODES
        }

    before = now()
    yield lambda: {m: n - before[m] for m, n in now().items() if n != before[m]}


@pytest.fixture
def api(admin_user: Any) -> Client:
    _, text = keys.make(admin_user, "test", keys.SCOPES, [])
    return Client(headers={"Authorization": f"Bearer {text}"}, raise_request_exception=False)


def post(client: Client, path: str, **more: Any) -> Any:
    body = {"question": QUESTION, **more}
    return client.post(f"/api/v1/{path}", data=body, content_type="application/json")


# --- A part of the index is away -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", BROKEN)
def test_the_pipeline_and_the_metric_say_the_mode(
    broken: Break, counted: Callable[[], dict[str, float]], mode: str
) -> None:
    broken(**BROKEN[mode])
    trace = ask(QUESTION, viewer=OPERATOR).finish()
    assert trace.degraded == ((SAID[mode],) if mode in SAID else ())
    assert trace.partial_index == (mode == "partial")
    assert modes.mode(trace) == mode
    assert "north pier" in trace.final[0].passage.text
    assert counted() == {mode: 1}
    metric = metrics.text(()).decode()
    assert f'sieve_index_mode_total{{mode="{mode}"}}' in metric
    assert 'sieve_index_mode_total{mode="down"}' in metric  # also before it was ever down


@pytest.mark.parametrize("mode", SAID)
def test_the_answer_page_the_trace_page_and_the_export_say_it(
    broken: Break, client: Client, admin_client: Client, mode: str
) -> None:
    broken(**BROKEN[mode])
    page = admin_client.get("/ask", {"q": QUESTION, "wait": "1"}, follow=True).content.decode()
    assert SAID[mode] in page
    assert "by words and by meaning" not in page
    record = TraceRecord.objects.get()
    trace = admin_client.get(f"/traces/{record.pk}/").content.decode()
    assert SAID[mode] in trace
    chip = {
        "bm25_only": "searched by words only",
        "knn_only": "searched by meaning only",
        "partial": "a part of the index searched",
    }[mode]
    assert f'<span class="chip warn">{chip}</span>' in trace
    stage = {"bm25_only": "Left out: knn", "knn_only": "Left out: bm25", "partial": "Searched in part: kNN"}
    assert stage[mode] in trace
    exported = json.loads(admin_client.get(f"/traces/{record.pk}.json").content)
    assert (exported["index_mode"], exported["partial_index"]) == (mode, mode == "partial")
    assert exported["degraded"] == [SAID[mode]]
    assert exported["body"]["partial"] == ({"knn": SHARDS} if mode == "partial" else {})


@pytest.mark.parametrize("mode", BROKEN)
def test_it_is_said_too_where_the_index_fuses(broken: Break, settings: Any, mode: str) -> None:
    light = settings.SPEC_DIR / "light.toml"
    light.write_text(light.read_text().replace("knn = 0.5\n[blend]", "knn = 0.5\nserver = true\n[blend]"))
    pipelines.from_file.cache_clear()
    broken(**BROKEN[mode])
    trace = ask(QUESTION, viewer=OPERATOR).finish()
    assert trace.spec["fuse"]["server"] is True  # type: ignore[index]
    assert modes.mode(trace) == mode
    here = f"Not fused by the index, but here: {AWAY}"
    lost = mode in ("bm25_only", "knn_only")
    assert trace.degraded == ((SAID[mode],) if mode in SAID else ()) + ((here,) if lost else ())
    assert ("north pier" in trace.final[0].passage.text) is lost  # the scripted index fuses backwards


def test_a_whole_answer_says_nothing_of_it(broken: Break) -> None:
    broken()
    trace = ask(QUESTION, viewer=OPERATOR).finish()
    assert answer_context(trace)["degraded"] == ()
    assert trace_context(trace, created=None, username="")["searched_said"] == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", BROKEN)
@pytest.mark.parametrize("path", ["search", "answers"])
def test_the_api_says_it(broken: Break, api: Client, path: str, mode: str) -> None:
    broken(**BROKEN[mode])
    response = post(api, path)
    body = response.json()
    assert response.status_code == 200
    assert body["partial_index"] is (mode == "partial")
    assert body["degraded"] == ([SAID[mode]] if mode in SAID else [])
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("mode", SAID)
def test_the_streams_say_it(broken: Break, api: Client, client: Client, mode: str) -> None:
    broken(**BROKEN[mode])
    streamed = b"".join(post(api, "answers", stream=True)).decode()
    for name in ("passages", "done"):
        data = streamed.split(f"event: {name}\ndata: ", 1)[1].split("\n", 1)[0]
        assert json.loads(data)["degraded"] == [SAID[mode]]
    page = b"".join(client.get("/ask/stream", {"q": QUESTION})).decode()
    assert SAID[mode] in page


@pytest.mark.parametrize("mode", SAID)
def test_the_log_says_it(broken: Break, caplog: pytest.LogCaptureFixture, mode: str) -> None:
    broken(**BROKEN[mode])
    with caplog.at_level("INFO", logger=logs.OWN):
        ask(QUESTION, viewer=OPERATOR).finish()
    (record,) = [r for r in caplog.records if r.getMessage() == "question"]
    assert (record.fields["index"], record.fields["degraded"]) == (mode, True)


def test_staff_find_the_questions_that_only_a_part_of_the_index_answered(
    broken: Break, admin_client: Client
) -> None:
    for mode in BROKEN:
        broken(**BROKEN[mode])
        ask(f"{mode} ferry", viewer=OPERATOR).finish()
    rows = queries.found(queries.read({"partial": "1"}))
    assert [row.question for row in rows] == ["partial ferry"]
    page = admin_client.get("/traces/", {"partial": "1"}).content.decode()
    assert "partial ferry" in page and "bm25_only ferry" not in page
    health_page = admin_client.get(reverse("manage-health")).content.decode()
    assert "a part of the index did not answer <b>1</b>" in health_page
    assert "search by words left out <b>1</b>" in health_page


# --- All of it is away -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", DOWN)
def test_an_index_that_is_away_is_a_503_with_a_sentence_everywhere(
    broken: Break,
    client: Client,
    api: Client,
    counted: Callable[[], dict[str, float]],
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    broken(**DOWN[how])
    page = client.get("/ask", {"q": QUESTION, "wait": "1"})
    stream = client.get("/ask/stream", {"q": QUESTION})
    streamed = b"".join(stream).decode()
    assert (page.status_code, stream.status_code) == (503, 503)
    assert page.headers["Retry-After"] == stream.headers["Retry-After"] == "5"
    assert AWAY in page.content.decode()
    assert "It may work again in a moment." in page.content.decode()
    assert AWAY in streamed and streamed.startswith("event: failed")
    for path, more in [("search", {}), ("answers", {}), ("answers", {"stream": True})]:
        response = post(api, path, **more)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert response.headers["Content-Type"] == "application/problem+json"
        problem = response.json()
        assert problem["code"] == "unavailable"
        assert AWAY in problem["detail"]
    assert counted() == {"down": 5}
    said = [r for r in caplog.records if r.getMessage() == "nothing_searched"]
    assert len(said) == 5


def test_the_trace_of_a_question_that_nothing_was_searched_for_says_why(
    broken: Break, admin_client: Client
) -> None:
    broken(lost=LEGS)
    assert admin_client.get("/ask", {"q": QUESTION, "wait": "1"}).status_code == 503
    record = TraceRecord.objects.get()
    assert (record.degraded, record.answered) == (True, False)
    page = admin_client.get(f"/traces/{record.pk}/").content.decode()
    assert "nothing searched" in page
    assert f"Not searched by words: {AWAY}" in page
    assert f"Not searched by meaning: {AWAY}" in page


# --- Never kept ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"passages": [], "partial_index": False, "degraded": []}, True),
        ({"passages": [], "partial_index": True, "degraded": ["x"]}, False),
        ({"degraded": ["Searched by words only."]}, False),
        ({"results": [{"id": 1}, {"partial_index": True}]}, False),
        ([{"name": "notes"}], True),
        (None, True),
    ],
)
def test_an_answer_that_lacks_something_is_not_worth_keeping(body: object, kept: bool) -> None:
    assert modes.worth_keeping(body) is kept


def test_a_repeated_request_is_not_given_an_answer_that_lacks_something(
    broken: Break, rf: Any, admin_user: Any
) -> None:
    from rest_framework.response import Response

    from search_app.api import idempotency, results

    request = rf.post("/", headers={"Idempotency-Key": "one"})
    request.auth, request.user = None, admin_user

    def work() -> Response:
        trace = ask(QUESTION, viewer=OPERATOR).finish()
        return Response(results.answered(trace, trace.query.id, lambda path: path))

    for mode, times in [("partial", 0), ("knn_only", 0), ("full", 1), ("partial", 1)]:
        broken(**BROKEN[mode])
        given = idempotency.once(request, ["q"], work)
        assert StoredResponse.objects.count() == times
        assert given.data["partial_index"] is (mode == "partial" and not times)


def test_no_answer_may_be_kept_by_a_browser_or_a_proxy(broken: Break, client: Client, api: Client) -> None:
    broken(**BROKEN["partial"])
    answers = [
        client.get("/ask", {"q": QUESTION, "wait": "1"}, follow=True),
        client.get("/ask/stream", {"q": QUESTION}),
        post(api, "search"),
        post(api, "answers"),
        post(api, "answers", stream=True),
    ]
    assert {"no-store" in answer.headers["Cache-Control"] for answer in answers} == {True}
    assert all(b"".join(answer) for answer in answers)


def test_a_worker_that_waits_for_the_index_is_said_in_health(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rag.rerank.message import Beat, decode, encode
    from search_app import dispatch

    beats = [
        Beat(kind="ingest", host="a", pid=1, started=0.0, trouble="The search cluster cannot be reached."),
        Beat(kind="rerank", host="a", pid=2, started=0.0),
    ]
    beats = [decode(encode(beat), Beat) for beat in beats]
    state = dispatch.QueueState(configured=True, reachable=True, workers=tuple(beats))
    monkeypatch.setattr(dispatch, "queue_state", lambda: state)
    ok, sentence, _ = health.CHECKS["ingest"]()
    assert not ok
    assert "A worker waits: The search cluster cannot be reached." in sentence
    assert "ingest" not in health.REQUIRED  # questions can be answered
    ok, _, details = health.CHECKS["workers"]()
    assert ok
    assert details["workers"][0]["trouble"] == "The search cluster cannot be reached."
