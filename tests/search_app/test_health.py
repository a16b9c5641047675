import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.rerank.message import Beat
from search_app import dispatch, health, model_health
from search_app.models import Collection, Document
from tests.faults.proxy import Proxy
from tests.rag.chat.writer import refuses, send

pytestmark = pytest.mark.django_db(transaction=True)  # the checks look from threads of their own
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def parts(light: None) -> Callable[[], dict[str, health.Part]]:
    return lambda: {part.name: part for part in health.report()}


def test_every_part_says_how_it_is(ingest: Callable[..., object], folder: Path, parts: Callable) -> None:
    ingest(folder)
    found = parts()
    assert list(found) == ["database", "models", "services", "index", "queue", "workers", "disk", "ingest"]
    assert {name: part.ok for name, part in found.items()} == dict.fromkeys(found, True)
    assert found["index"].details["documents"] == 3
    assert "3 documents" in found["index"].sentence
    assert "no queue" in found["queue"].sentence
    assert found["ingest"].details["documents"]["searchable"] == 3
    assert health.ready(tuple(found.values()))


def test_an_index_of_another_encoder_does_not_fit(
    ingest: Callable[..., object], folder: Path, parts: Callable, settings: object
) -> None:
    ingest(folder)
    meta = next(settings.INDEX_DIR.glob("passages-*/meta.json"))
    meta.write_text(meta.read_text().replace("hashing:", "other:"))
    index = parts()["index"]
    assert not index.ok
    assert "manage.py reindex" in index.sentence
    meta.write_text("{")
    assert "manage.py reindex" in parts()["index"].sentence


def test_a_model_that_is_missing_is_named(parts: Callable, settings: object, tmp_path: Path) -> None:
    from rag.models import ModelStore
    from search_app import pipelines

    text = (settings.SPEC_DIR / "light.toml").read_text()
    name = "ms-marco-MiniLM-L-12-v2-int8"
    more = f'[rerank]\nbackend = "onnx"\nmodel = "{name}"\ndepth = 4\nbudget_ms = 100\nrequired = false\n'
    (settings.SPEC_DIR / "more.toml").write_text(text + more)
    settings.DEFAULT_PIPELINE = "more"
    assert not parts()["models"].ok  # the store of this test knows no states: said, not raised
    original = pipelines.store
    pipelines.store = lambda: ModelStore(tmp_path / "none")
    try:
        models = parts()["models"]
        settings.DEFAULT_PIPELINE = "light"
        elsewhere = parts()["models"]
    finally:
        pipelines.store = original
    assert not models.ok
    assert f"manage.py models pull {name}" in models.sentence
    assert models.details["models"][0]["pipelines"] == ["more"]
    assert elsewhere.ok, "another pipeline goes on without it, and says so"
    assert f"Not here: {name}, for the pipelines more." in elsewhere.sentence


def test_a_service_that_writes_for_a_pipeline_has_to_write_a_token(
    parts: Callable, settings: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (settings.SPEC_DIR / "light.toml").read_text()
    more = (
        '[generate]\nbackend = "openai"\nmodel = "ours/the-model"\nthreshold = 0.0\nmax_sentences = 3\n'
        "budget_ms = 1000\n"
    )
    (settings.SPEC_DIR / "more.toml").write_text(text + more)
    monkeypatch.setattr(model_health, "UNWELL_S", 0.0)
    assert parts()["services"].ok, "there is no such service, and the default pipeline has none"
    settings.DEFAULT_PIPELINE = "more"
    assert "There is no service 'ours'" in parts()["services"].sentence
    settings.DEFAULT_PIPELINE = "light"
    settings.SERVICES_FILE = tmp_path / "services.toml"
    with Proxy("http://127.0.0.1:9") as proxy:
        settings.SERVICES_FILE.write_text(f'[ours]\ndialect = "openai"\nurl = "{proxy.url}/v1"\n')
        proxy.on(refuses(500), times=1)
        proxy.on(lambda exchange: send(exchange, 200, {"choices": [{"message": {"content": "Hi"}}]}))
        unwell = parts()["services"]
        assert (unwell.ok, health.ready((unwell,))) == (False, True), "it is not required"
        assert unwell.sentence == "ours/the-model: The service (openai) failed (HTTP 500)."
        assert parts()["services"].ok
        assert parts()["services"].details["services"][0]["pipelines"] == ["more"]
        assert len(proxy.seen) == 2, "it need not write for each report"


def test_a_part_that_breaks_or_hangs_is_said_in_time(
    parts: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, calls = threading.Event(), []

    def hangs() -> health.Said:
        calls.append(1)
        stuck.wait(20)
        return True, "", {}

    def breaks() -> health.Said:
        raise ValueError("secret words")

    monkeypatch.setattr(health, "LIMIT_S", 0.3)
    monkeypatch.setitem(health.CHECKS, "disk", hangs)
    monkeypatch.setitem(health.CHECKS, "index", breaks)
    began = time.monotonic()
    found = parts()
    again = parts()
    assert time.monotonic() - began < 5
    assert (found["disk"].ok, found["disk"].sentence) == (False, "There was no answer within 0.3 s.")
    assert "ValueError" in found["index"].sentence
    assert "secret" not in str(found)
    assert found["database"].ok
    assert not again["disk"].ok
    assert len(calls) == 1, "a check that hangs was begun a second time"
    stuck.set()


def test_two_reports_at_once_get_the_same_answer(parts: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> health.Said:
        time.sleep(0.3)
        return True, "slow", {}

    monkeypatch.setitem(health.CHECKS, "disk", slow)
    seen: list[str] = []
    both = [threading.Thread(target=lambda: seen.append(parts()["disk"].sentence)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert seen == ["slow", "slow"]


def test_little_room_is_said(parts: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: Usage(100 * 10**9, 0, 4 * 10**9))
    assert not parts()["disk"].ok
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: Usage(10 * 10**9, 0, 9 * 10**8))
    assert not parts()["disk"].ok
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: Usage(10 * 10**9, 0, 2 * 10**9))
    assert parts()["disk"].ok


def test_the_longest_wait_is_told(parts: Callable) -> None:
    Document.objects.create(collection=Collection.objects.create(name="notes"), name="a.md")
    part = parts()["ingest"]
    assert part.details["documents"]["queued"] == 1
    assert "has waited" in part.sentence


@pytest.mark.parametrize(("served", "ok"), [((), False), (("m:1:logit",), True)])
def test_a_model_that_no_worker_serves_because_it_is_unfit_is_told(
    parts: Callable, monkeypatch: pytest.MonkeyPatch, served: tuple[str, ...], ok: bool
) -> None:
    beats = (
        Beat(kind="rerank", host="a", pid=1, started=1.0, unfit={"m:1:logit": "It scores at random."}),
        Beat(kind="rerank", host="b", pid=2, started=1.0, models=served),
        Beat(kind="ingest", host="b", pid=3, started=1.0),
    )
    state = dispatch.QueueState(configured=True, reachable=True, workers=beats)
    monkeypatch.setattr(dispatch, "queue_state", lambda: state)
    part = parts()["workers"]
    assert part.ok == ok
    assert ("It scores at random." in part.sentence) != ok
    assert part.details["unfit"] == 1
    assert part.details["workers"][0]["unfit"] == {"m:1:logit": "It scores at random."}
