"""The application on a real cluster: ingest by several workers at once, what is asked, what is taken out."""

import threading
import time

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from rag.errors import IndexUnavailable
from rag.index.opensearch import Address
from rag.index.opensearch.cluster import Able
from search_app import checks, claims, health, indexes, pipelines, services, uploads
from search_app.access import OPERATOR
from search_app.asking import ask
from search_app.consistency import differences
from search_app.ingest_results import Report
from search_app.models import Collection, Document, Removal
from tests.search_app.conftest import InProcess
from workers import ingest as worker


@pytest.fixture
def site(opensearch: Address, light: None, settings: object, monkeypatch: pytest.MonkeyPatch) -> Collection:
    settings.OPENSEARCH_URLS = list(opensearch.urls)
    settings.OPENSEARCH_USER, settings.OPENSEARCH_PASSWORD = opensearch.user, opensearch.password
    settings.OPENSEARCH_CA, settings.OPENSEARCH_PREFIX = opensearch.ca, opensearch.prefix
    settings.OPENSEARCH_TIMEOUT = 10.0
    monkeypatch.setattr(pipelines, "ParserPool", InProcess)
    pipelines.forget()
    return services.collection("notes")


def put(collection: Collection, name: str, text: str) -> Document:
    return uploads.put(collection, uploads.arrive(name, [text.encode()]))[0].document


def work() -> Report:
    with pipelines.ingest() as ingest:
        return ingest.run()


def held() -> dict[tuple[str, int], int]:
    return indexes.reader(pipelines.encoder()).documents()


def found(question: str) -> list[str]:
    return [c.passage.text for c in ask(question, viewer=OPERATOR).finish().final]


def test_a_document_comes_is_replaced_and_goes(site: Collection) -> None:
    document = put(site, "a.txt", "The lighthouse was built of granite.")
    assert work().counts == {"indexed": 1}
    assert found("lighthouse of granite") == ["The lighthouse was built of granite."]
    put(site, "a.txt", "The lighthouse was built of basalt.")
    assert work().counts == {"indexed": 1}
    assert found("lighthouse of granite") == ["The lighthouse was built of basalt."]
    assert list(held()) == [(str(document.pk), 3)]
    uploads.delete([document])
    work()
    assert held() == {}
    assert not Removal.objects.exists()


def test_nothing_is_made_by_a_question(site: Collection) -> None:
    reader = indexes.reader(pipelines.encoder())
    assert indexes.glance() is None
    with pytest.raises(IndexUnavailable, match="no index in the cluster"):
        reader.search([], 5, ["notes"])
    assert indexes.glance() is None


@pytest.mark.django_db(transaction=True)
def test_three_workers_share_the_work_and_do_nothing_twice(site: Collection) -> None:
    for n in range(60):
        put(site, f"{n}.txt", f"The lighthouse number {n} is of granite.")
    indexes.writer(pipelines.encoder()).close()
    reports: list[Report] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            while claims.due().exists():
                reports.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(report.counts["indexed"] for report in reports) == 60
    assert sum(bool(report.counts["indexed"]) for report in reports) > 1
    assert set(Document.objects.values_list("state", "attempts", "version")) == {("searchable", 1, 1)}
    assert differences(held) == []


def test_a_lease_that_ran_out_is_taken_up_by_another_and_leaves_nothing(
    site: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, "a.txt", "granite")
    work()
    pipelines._swept = True  # as in a worker that has been at it for a while
    put(site, "b.txt", "basalt")
    put(site, "c.txt", "chalk")
    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("search_app.ingesting.store_versions", _interrupt)
        patched.setattr("search_app.removals.abandon", lambda *_: None)
        patched.setattr(claims, "give_back", lambda *_: None)  # kill -9
        work()
    pipelines._swept = True
    assert len(held()) == 3
    assert work().counts == {}  # it may live
    Document.objects.filter(state="working").update(lease_until=None)
    assert work().counts == {"indexed": 2}
    assert differences(held) == []
    assert sorted(version for _, version in held()) == [1, 2, 2]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_worker_waits_longer_and_longer_for_a_cluster_that_is_away(
    site: Collection, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put(site, "a.txt", "granite")
    urls, settings.OPENSEARCH_URLS = settings.OPENSEARCH_URLS, ["http://127.0.0.1:9"]
    pipelines.forget()
    monkeypatch.setattr(worker, "_first", True)
    worker.reset()
    clock = [time.monotonic()]
    monkeypatch.setattr(worker, "monotonic", lambda: clock[0])
    tried: list[float] = []
    for _ in range(600):  # ten minutes of a clock that looks every second
        if worker.tick():
            assert worker.work() is False
            tried.append(clock[0])
        clock[0] += 1.0
    pauses = [second - first for first, second in zip(tried, tried[1:], strict=False)]
    assert 12 < len(tried) < 60
    assert pauses[0] < 5 < 20 < pauses[-1] < 45
    assert "cannot be reached" in worker.trouble()
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("queued", 0)
    settings.OPENSEARCH_URLS = urls
    pipelines.forget()
    clock[0] += 60
    assert worker.work() is False
    assert worker.trouble() == ""
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("searchable", 1)


# --- Health ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_health_says_how_the_index_on_the_cluster_is(site: Collection, admin_client: Client) -> None:
    ok, sentence, details = health.CHECKS["index"]()
    assert ok and "There is no index yet" in sentence
    put(site, "a.txt", "granite")
    work()
    ok, sentence, details = health.CHECKS["index"]()
    assert ok, sentence
    assert details["colour"] == "green"
    assert (details["passages"], details["documents"], details["lag"]) == (1, 1, 0)
    (version,) = details["versions"]
    assert version["roles"] == ["read", "write"]
    assert f"{version['name']} holds 1 passages and is green." in sentence
    page = admin_client.get(reverse("manage-health")).content.decode()
    assert version["name"] in page and "read, write" in page
    name = version["name"]
    indexes.cluster().call(lambda client: client.indices.delete(index=name))
    ok, sentence, _ = health.CHECKS["index"]()
    assert not ok
    assert "1 documents are to be found in it. Run: manage.py reindex" in sentence


@pytest.mark.django_db(transaction=True)
def test_health_and_pages_say_that_the_cluster_is_away_and_the_site_stays_up(
    site: Collection, settings: object, client: Client
) -> None:
    put(site, "a.txt", "granite")
    work()
    settings.OPENSEARCH_URLS = ["http://127.0.0.1:9"]
    pipelines.forget()
    checks.refuse_to_start()  # not for this
    index = next(part for part in health.report() if part.name == "index")
    assert (index.ok, index.sentence) == (False, "The search cluster cannot be reached.")
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 200
    asked = client.get("/ask", {"q": "granite", "wait": "1"})
    assert asked.status_code == 503
    assert "The search cluster cannot be reached." in asked.content.decode()


@pytest.mark.parametrize(
    ("able", "said"),
    [
        (Able((2, 18, 0), frozenset({"knn"})), "runs OpenSearch 2.18.0. Sieve needs 2.19 or newer."),
        (Able((3, 6, 0), frozenset({"icu"})), "lacks the plugin opensearch-knn"),
    ],
)
def test_a_cluster_that_is_not_fit_is_refused_and_said(
    site: Collection, monkeypatch: pytest.MonkeyPatch, able: Able, said: str
) -> None:
    indexes.cluster().__dict__["able"] = able
    with pytest.raises(IndexUnavailable, match=said):
        indexes.writer(pipelines.encoder())
    ok, sentence, _ = health.CHECKS["index"]()
    assert not ok and said in sentence
    assert said in next(m.msg for m in checks.check_cluster(None, deploy=True) if m.id == "sieve.E011")
