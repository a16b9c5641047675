"""A pipeline whose reranker is a service: saved, asked, out of order, gone."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from rag.errors import SpecError
from rag.spec import PipelineSpec, RerankSpec
from rag.trace import Trace
from search_app import asking, model_health, pipeline_versions, pipelines
from search_app.access import Viewer
from tests.faults import kinds
from tests.faults.proxy import Proxy
from tests.rag.rerank.providers import KEY, provider

Ingest = Callable[[Path], object]


def granite_first(query: str, texts: Sequence[str]) -> list[float]:
    return [5.0 if "granite" in text else -5.0 for text in texts]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy("http://127.0.0.1:9") as running:
        yield running


@pytest.fixture
def services(light: None, proxy: Proxy, tmp_path: Path, settings: object) -> Iterator[None]:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "services.toml").write_text(
        f'[cohere]\ndialect = "cohere_v2"\nurl = "{proxy.url}"\nkey_file = "{tmp_path / "key"}"\n'
        "usd_per_search = 0.002\n"
    )
    settings.SERVICES_FILE = tmp_path / "services.toml"  # type: ignore[attr-defined]
    pipelines.forget()
    yield
    pipelines.forget()


def by_service(model: str = "cohere/rerank-v3.5", **more: object) -> PipelineSpec:
    plain = pipelines.spec("light")
    rerank = RerankSpec(
        **{"backend": "http", "model": model, "depth": 10, "budget_ms": 5000, "required": False, **more}
    )
    blend = msgspec.structs.replace(plain.blend, reranked=1.0)
    return msgspec.structs.replace(plain, rerank=rerank, blend=blend)


def ask(question: str = "the ferry, the lighthouse, the ticket") -> Trace:
    return asking.ask(question, viewer=Viewer(asker="a")).finish()


def test_a_service_reranks_and_its_price_stands_in_the_trace(
    services: None, ingest: Ingest, folder: Path, proxy: Proxy
) -> None:
    ingest(folder)
    proxy.on(provider("cohere_v2", granite_first))
    pipeline_versions.activate(pipeline_versions.save("light", by_service()))
    trace = ask()
    assert (trace.rerank.status, trace.degraded) == ("applied", ())
    assert "granite" in trace.ranking("final").passages[0].text  # type: ignore[union-attr]
    assert trace.spent["reranked"].usd == pytest.approx(0.002)
    assert trace.spent["reranked"].requests == 1
    assert model_health._models_of("light", by_service()) == set(), "a service's model is none of the store"


@pytest.mark.parametrize(
    ("fault", "why"),
    [(kinds.broken(), "failed (HTTP 500)"), (kinds.login_page(), "answered in a format that is not its own")],
)
def test_a_service_that_fails_costs_its_stage_only(
    fault: object, why: str, services: None, ingest: Ingest, folder: Path, proxy: Proxy
) -> None:
    ingest(folder)
    proxy.on(fault)  # type: ignore[arg-type]
    pipeline_versions.activate(pipeline_versions.save("light", by_service()))
    trace = ask()
    assert trace.ranking("final") is not None
    assert why in " ".join(trace.degraded)


def test_a_service_that_is_not_on_this_machine_is_left_out(
    services: None, ingest: Ingest, folder: Path
) -> None:
    ingest(folder)
    spec = by_service("elsewhere/rerank-v3.5")
    (followed,) = pipeline_versions.check("light", spec)
    assert followed.startswith("There is no service 'elsewhere' here; there are: cohere.")
    pipeline_versions.activate(pipeline_versions.save("light", spec))
    assert ask().degraded != ()


@pytest.mark.parametrize(
    ("model", "more", "why"),
    [
        ("cohere", {}, "the model is missing"),
        ("cohere/rerank-v3.5", {"options": {"temperature": 1}}, "has no option 'temperature'"),
        ("cohere/rerank-v3.5", {"backend": "https"}, "There is no backend 'https'"),
    ],
)
def test_what_a_service_cannot_do_is_refused_when_it_is_saved(
    model: str, more: dict[str, object], why: str, services: None
) -> None:
    with pytest.raises(SpecError) as caught:
        pipeline_versions.save("light", by_service(model, **more))
    assert why in str(caught.value)
