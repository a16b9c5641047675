"""The application while the cluster, or the way to it, breaks, by `tests.faults` before a real OpenSearch."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from rag.errors import IndexUnavailable
from rag.index.opensearch import Address
from search_app import indexes, metrics, pipelines, services, uploads
from search_app.access import OPERATOR
from search_app.asking import ask
from search_app.consistency import differences
from search_app.models import Collection, Document, Removal, TraceRecord
from tests.faults import bulk, kinds
from tests.faults.bulk import each_in_turn, mixed
from tests.faults.index import named
from tests.faults.proxy import Fault, Proxy
from tests.opensearch import VERSIONS, fresh, running, server
from tests.search_app.conftest import InProcess

pytestmark = pytest.mark.opensearch

DEADLINE_S, SLACK_S = 1.0, 0.5
QUESTION = "When does the ferry leave from the north pier?"


@pytest.fixture
def real() -> Iterator[Address]:
    version = next((version for version in VERSIONS if server(version)), VERSIONS[0])
    yield from fresh(running(version))


@pytest.fixture
def proxy(real: Address) -> Iterator[Proxy]:
    with Proxy(real.urls[0]) as listening:
        yield listening


@pytest.fixture
def site(
    proxy: Proxy, real: Address, light: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Collection:
    """The collection of an application whose cluster is behind the proxy, and whose patience is short."""
    settings.OPENSEARCH_URLS = [proxy.url]
    settings.OPENSEARCH_USER, settings.OPENSEARCH_PASSWORD = real.user, real.password
    settings.OPENSEARCH_PREFIX, settings.OPENSEARCH_TIMEOUT = real.prefix, DEADLINE_S
    monkeypatch.setattr(pipelines, "ParserPool", InProcess)
    monkeypatch.setattr(pipelines, "LATE_S", 2.0)  # the latest request comes after 1.5 s
    hasty = SimpleNamespace(**vars(indexes.opensearch))  # a minute would be too long here
    hasty.Address = lambda **values: Address(**values, bulk_timeout_s=1.0)
    monkeypatch.setattr(indexes, "opensearch", hasty)
    pipelines.forget()
    return services.collection("notes")


def put(collection: Collection, name: str, text: str) -> Document:
    return uploads.put(collection, uploads.arrive(name, [text.encode()]))[0].document


def work() -> None:
    with pipelines.ingest() as ingest:
        ingest.run()


def work_until_done() -> None:
    """As the worker does: again and again, while anything is due and the index is away."""
    for _ in range(60):
        with suppress(IndexUnavailable):
            work()
        waiting = Document.objects.filter(state__in=(Document.State.QUEUED, Document.State.WORKING))
        if not waiting.exists() and not Removal.objects.exists():
            return
    raise AssertionError(list(Document.objects.values_list("name", "state", "reason", "attempts")))


def found(question: str) -> list[str]:
    return [c.passage.text for c in ask(question, viewer=OPERATOR).finish().final]


def settle(seconds: float) -> None:
    """Let what is late arrive and be seen, as it is by itself after half a minute, and look once more."""
    time.sleep(seconds)
    indexes.cluster().call(lambda client: client.indices.refresh(index=indexes.glance().version))
    work()


def check_clean() -> None:
    encoder = pipelines.encoder()
    assert indexes.verify(encoder).problems == ()
    assert differences(indexes.reader(encoder).documents) == []


def count_of(mode: str) -> float:
    return metrics.INDEX_MODES.labels(mode)._value.get()


# --- Questions ----------------------------------------------------------------------------------------------

SAID: dict[str, tuple[Callable[[], Fault], str, str]] = {
    "error in knn": (lambda: kinds.refused_search("knn"), "bm25_only", "Searched by words only: "),
    "sentinel scores in knn": (
        lambda: kinds.sentinel_scores("knn"),
        "bm25_only",
        "Searched by words only: ",
    ),
    "error in bm25": (lambda: kinds.refused_search("bm25"), "knn_only", "Searched by meaning only: "),
    "timed out": (lambda: kinds.timed_out(keep=1), "partial", "Only a part of the index was searched"),
    "a shard failed": (
        lambda: kinds.shards("bm25", keep=1),
        "partial",
        "Only a part of the index was searched",
    ),
}
AWAY: dict[str, Callable[[], Fault]] = {
    "429": kinds.breaker,
    "503": kinds.unavailable,
    "502 html": kinds.gateway,
    "hang": kinds.hang,
    "drip": kinds.drip,
    "reset": kinds.reset_before,
    "truncated": kinds.truncated,
}


@pytest.fixture
def ferry(site: Collection, client: Client) -> Client:
    put(site, "ferry.md", "# Ferry\n\nThe ferry leaves at nine from the north pier.\n")
    put(site, "lighthouse.txt", "The lighthouse was built of granite in 1836.\n")
    work_until_done()
    whole = _whole(client)
    assert "north pier" in whole.json()["passages"][0]["text"]
    return client


def _search(client: Client) -> Any:
    return client.post("/api/v1/search", {"question": QUESTION}, content_type="application/json")


def _whole(client: Client) -> Any:
    """The answer of an index that is well again; a busy machine may take a few questions for it."""
    end = time.monotonic() + 10.0
    while (answer := _search(client)).status_code == 503 or answer.json()["degraded"]:
        assert time.monotonic() < end, answer.json()
    return answer


@pytest.mark.parametrize("name", SAID)
def test_what_an_answer_lacks_is_said_everywhere(ferry: Client, proxy: Proxy, name: str) -> None:
    make, mode, sentence = SAID[name]
    before = count_of(mode)
    with proxy.broken(make(), "_search|_msearch"):
        answer = _search(ferry)
    assert answer.status_code == 200
    body = answer.json()
    assert [said for said in body["degraded"] if said.startswith(sentence)], body["degraded"]
    assert body["partial_index"] == (mode == "partial")
    record = TraceRecord.objects.get(pk=body["trace_id"])
    assert record.degraded and count_of(mode) == before + 1
    assert bool(record.body["partial"]) == (mode == "partial")
    assert _whole(ferry)


@pytest.mark.parametrize("everything", [False, True], ids=["searches", "everything"])
@pytest.mark.parametrize("name", [named(name, slow=name not in ("503", "hang")) for name in AWAY])
def test_an_index_that_is_away_is_a_503_in_time(
    ferry: Client, proxy: Proxy, name: str, everything: bool
) -> None:
    before = count_of("down")
    if everything:
        pipelines.forget()  # a process that has just started knows nothing yet
    with proxy.broken(AWAY[name](), "" if everything else "_search|_msearch"):
        began = time.monotonic()
        answer = _search(ferry)
        assert time.monotonic() - began < DEADLINE_S + SLACK_S
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert answer.json()["detail"].endswith(".")
    assert count_of("down") == before + 1
    assert _whole(ferry).json()["passages"]


# --- Documents ----------------------------------------------------------------------------------------------

PASSING: dict[str, Callable[[], Fault]] = {
    "429": kinds.rejected,
    "503": kinds.unavailable,
    "hang": kinds.hang,
    "reset before": kinds.reset_before,
    "reset within": kinds.reset_within,
    "reset after": kinds.reset_after,
    "request late": lambda: kinds.late_request(1.5),
    "mixed items": lambda: mixed(each_in_turn(None, 429, 503)),
    "items carried out and refused": lambda: mixed(each_in_turn(503), done=True),
    "items missing": lambda: bulk.items_missing(0),
}


@pytest.mark.parametrize(
    "name", [named("429"), *(named(name, slow=True) for name in PASSING if name != "429")]
)
def test_every_document_is_searchable_once_the_fault_ends(site: Collection, proxy: Proxy, name: str) -> None:
    old = [put(site, f"{n}.txt", f"Old words of pier{n}.") for n in range(3)]
    work_until_done()
    for n, document in enumerate(old):
        put(site, document.name, f"New words of pier{n}.")
    uploads.delete([old[2]])
    put(site, "3.txt", "New words of pier3.")
    rule = proxy.on(PASSING[name](), "_bulk", times=3)
    work_until_done()
    assert rule.applied
    proxy.clear()
    assert sorted(found("words of pier0 pier1 pier2 pier3")) == [f"New words of pier{n}." for n in (0, 1, 3)]
    assert set(Document.objects.values_list("state", "reason")) == {("searchable", "")}
    settle(2.5 if name == "request late" else 0.0)
    check_clean()


def test_an_outage_costs_no_document_an_attempt(site: Collection, proxy: Proxy) -> None:
    work_until_done()
    document = put(site, "a.txt", "The lighthouse was built of granite.")
    for path in ("_bulk", "_refresh", "_search|_msearch", ""):
        with proxy.broken(kinds.reset_before(), path), pytest.raises(IndexUnavailable):
            work()
        document.refresh_from_db()
        assert (document.state, document.attempts) == ("queued", 0), path
        assert document.version == 0 or path == "_search|_msearch"
    work_until_done()
    assert found("lighthouse") == ["The lighthouse was built of granite."]
    check_clean()


def test_a_partial_look_at_the_index_queues_and_sweeps_nothing(site: Collection, proxy: Proxy) -> None:
    documents = [put(site, f"{n}.txt", f"The words of pier{n}.") for n in range(3)]
    work_until_done()
    pipelines.forget()  # the next run holds the whole index against the database
    for fault in (kinds.shards(keep=0), kinds.timed_out(keep=0)):
        with proxy.broken(fault, "_search"), pytest.raises(IndexUnavailable):
            work()
    work()
    for document in documents:
        before = document.version
        document.refresh_from_db()
        assert document.state == "searchable" and document.version == max(1, before)
    check_clean()


def test_a_refused_passage_fails_its_document_alone(site: Collection, proxy: Proxy) -> None:
    good = put(site, "good.txt", "The lighthouse was built of granite.")
    bad = put(site, "bad.txt", "The lighthouse was painted white.")
    refuse = mixed(lambda _, pid: 400 if pid.startswith(f"{bad.pk}:") else None, writes=True)
    with proxy.broken(refuse, "_bulk"):
        work_until_done()
    good, bad = (Document.objects.get(pk=document.pk) for document in (good, bad))
    assert (good.state, bad.state) == ("searchable", "failed")
    assert bad.reason.endswith(".") and "painted" not in bad.reason
    assert found("lighthouse") == ["The lighthouse was built of granite."]
    check_clean()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_any_faults_over_many_changes(site: Collection, proxy: Proxy, seed: int) -> None:
    """Uploads, replacements and deletions while requests break; a reader never sees what was replaced."""
    work()
    draw, chance = random.Random(seed), random.Random(seed + 100)
    for make in PASSING.values():
        proxy.on(make(), "_bulk", share=0.04, draw=chance)
    for fault in (kinds.rejected(), kinds.reset_before(), kinds.reset_after(), kinds.unavailable()):
        proxy.on(fault, share=0.01, draw=chance)
    wanted: dict[str, str] = {}
    documents: dict[str, Document] = {}
    for step in range(60):
        for _ in range(draw.randint(1, 4)):
            name = f"{draw.randrange(12)}.txt"
            if name in wanted and draw.random() < 0.3:
                uploads.delete([documents.pop(name)])
                del wanted[name]
            else:
                wanted[name] = f"The words of pier as of step{step} in {name}."
                documents[name] = put(site, name, wanted[name])
        if draw.random() < 0.7:
            work_until_done()
            try:
                trace = ask("words of pier", viewer=OPERATOR).finish()
            except IndexUnavailable:
                continue
            seen = {c.passage.text for c in trace.final}
            assert seen <= set(wanted.values())
            assert trace.degraded or seen == set(wanted.values())
    proxy.clear()
    work_until_done()
    assert set(found("words of pier")) == set(wanted.values())
    assert set(Document.objects.values_list("state", flat=True)) == {"searchable"}
    settle(2.5)  # the last late requests come
    check_clean()
