"""`manage.py rerankers`: what is here, and a trial of one."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rag.errors import SpecError
from rag.services import Service
from search_app import pipelines, rerankers
from tests import models
from tests.faults.proxy import Answer, Proxy
from tests.rag.rerank.providers import KEY, provider
from tests.search_app.test_commands import run

pytestmark = pytest.mark.django_db
SERVICES = """
[cohere]
dialect = "cohere_v2"
url = "{url}"
key_file = "{key}"
usd_per_search = 0.002
[house]
dialect = "{dialect}"
url = "http://127.0.0.1:9"
"""


def first_is_best(query: str, texts: Sequence[str]) -> list[float]:
    return [9.0 - place for place, _ in enumerate(texts)]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy("http://127.0.0.1:9") as running:
        yield running


@pytest.fixture
def services(
    proxy: Proxy, tmp_path: Path, settings: object, request: pytest.FixtureRequest
) -> Iterator[None]:
    dialect = getattr(request, "param", "tei")
    (tmp_path / "key").write_text(KEY)
    text = SERVICES.format(url=proxy.url, key=tmp_path / "key", dialect=dialect)
    (tmp_path / "services.toml").write_text(text)
    settings.SERVICES_FILE = tmp_path / "services.toml"  # type: ignore[attr-defined]
    pipelines.forget()
    yield
    pipelines.forget()


def lines(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


def test_everything_that_a_pipeline_may_name_is_listed(services: None) -> None:
    code, out = run("rerankers")
    assert code == 0
    told = lines(out)
    for start in (
        ["http", "a", "service"],
        ["onnx", "a", "model"],
        ["late_interaction", "the", "index"],
        ["identity", "nothing"],
        [models.CROSS_ENCODER, "cross-encoder", "for", "English", "Apache-2.0"],
        ["cohere", "cohere_v2"],
        ["default", "reranked", "onnx", models.CROSS_ENCODER],
        ["rrf", "none"],
    ):
        assert any(line[: len(start)] == start for line in told), start
    assert "$0.002 a search" in out
    assert KEY not in out
    assert not any(line[:1] in (["base"], ["pairs"], ["message"]) for line in told), "no backends"


def test_without_services_that_is_said() -> None:
    code, out = run("rerankers", "list")
    assert (code, "No services: SIEVE_SERVICES names no file" in out) == (0, True)


@pytest.mark.parametrize("services", ["hugging"], indirect=True)
def test_a_service_that_cannot_be_asked_is_named_with_the_reason(services: None) -> None:
    code, out = run("rerankers")
    assert (code, "There is no dialect 'hugging' for reranking" in out) == (1, True)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://rerank.example.org:8080", True),
        ("https://rerank.example.org", False),
        ("http://127.0.0.1:8080/x", False),
    ],
)
def test_a_key_that_would_travel_in_clear_text_is_warned_of(
    url: str, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-1")
    assert bool(rerankers.trouble(Service(dialect="tei", url=url, key_env="THE_KEY"))) is warned
    assert rerankers.trouble(Service(dialect="tei", url=url)) == ""


@pytest.mark.models
def test_a_model_of_the_store_is_tried() -> None:
    code, out = run("rerankers", "try", "onnx", models.CROSS_ENCODER)
    assert code == 0
    assert out.splitlines()[0].startswith(f"{models.CROSS_ENCODER}:")
    assert [line[0] for line in lines(out)[2:5]][0] == "1"
    assert "raw logits" in out
    assert "int8" in out


@pytest.mark.models
def test_each_reranker_of_a_pipeline_is_tried() -> None:
    code, out = run("rerankers", "try", "--pipeline", "default")
    assert (code, out.count("raw logits")) == (0, 1)
    assert "does not rerank" in run("rerankers", "try", "--pipeline", "rrf")[1]


def test_a_service_is_asked_and_its_price_is_told(services: None, proxy: Proxy) -> None:
    proxy.on(provider("cohere_v2", first_is_best))
    tried = ("rerankers", "try", "http", "cohere/rerank-v3.5", "--option", "max_tokens_per_doc=512")
    code, out = run(*tried)
    assert code == 0
    assert "cohere_v2:rerank-v3.5:max_tokens_per_doc=512:relevance" in out
    assert "1 requests; $0.002000." in out
    run(*tried)
    assert len(proxy.seen) == 2, "no score of a trial comes from a cache"


def test_ones_own_question_and_texts(services: None, proxy: Proxy) -> None:
    proxy.on(provider("cohere_v2", lambda query, texts: [-1.0, 1.0]))
    own = ("--question", "What?", "--text", "this\x1b[31m", "--text", "that")
    code, out = run("rerankers", "try", "http", "cohere/rerank-v3.5", *own)
    assert code == 0
    assert [line[::2] for line in lines(out)[2:4]] == [["2", "that"], ["1", "this[31m"]]


def test_scores_that_put_another_text_first_are_a_failure(services: None, proxy: Proxy) -> None:
    proxy.on(provider("cohere_v2", lambda query, texts: [1.0, 2.0, 3.0]))
    code, out = run("rerankers", "try", "http", "cohere/rerank-v3.5")
    assert (code, "is not first" in out) == (1, True)


def test_what_a_service_says_of_an_error_is_shown_to_the_operator(services: None, proxy: Proxy) -> None:
    proxy.on(lambda exchange: exchange.send(Answer(400, b'{"message": "model \x1b[2J not found"}')))
    code, out = run("rerankers", "try", "http", "cohere/rerank-v9")
    assert code == 1
    assert "refused the request (HTTP 400)." in out
    assert 'It said: {"message": "model [2J not found"}' in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "There is no backend 'nothing' in rag/rerank; there are: "),
        (("late_interaction",), "reads what an index holds of a passage"),
        (("http", "elsewhere/m"), "There is no service 'elsewhere' here; there are: cohere, house."),
        (("http", "cohere/m", "--option", "max_tokens_per_doc"), "An option is written name=value"),
        (("onnx", "unknown"), "There is no model 'unknown'"),
    ],
)
def test_what_cannot_be_tried_is_said(arguments: tuple[str, ...], sentence: str, services: None) -> None:
    code, out = run("rerankers", "try", *arguments)
    assert (code, sentence in out) == (1, True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=1", 1), ("a=-0.5", -0.5), ("a=true", True), ("a=false", False), ("a=x=y", "x=y"), ("a=", "")],
)
def test_an_option_is_read_as_what_it_looks_like(text: str, value: object) -> None:
    found = rerankers.option(text)
    assert found == ("a", value)
    assert type(found[1]) is type(value)
    with pytest.raises(SpecError):
        rerankers.option("=1")
