"""Ranking texts that a program brings along."""

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from rag.errors import RerankUnavailable
from rag.rerank.base import ByText
from rag.types import Scores, Spent
from search_app import checks, metrics, pipelines
from search_app.api import docs
from search_app.models import PassageText, PipelineRecord, TraceRecord
from tests.search_app.api.conftest import ApiClient
from tests.search_app.conftest import LIGHT

PATHS = ("/api/v1/rerank", "/api/v2/rerank", "/v1/rerank", "/v2/rerank")
RERANK = PATHS[0]
FERRY, LIGHTHOUSE, PIER = "the ferry leaves at nine", "a lighthouse of granite", "the north pier of the ferry"
TEXTS = [LIGHTHOUSE, FERRY, PIER]
ASKED = {"query": "the ferry leaves", "documents": TEXTS}

SPEC = """
[rerank]
backend = "onnx"
model = "words"
depth = 1
budget_ms = 1
required = false
[[rerank.before]]
backend = "onnx"
model = "rough"
depth = 100
budget_ms = 100
keep = 10
"""


class Words(ByText):
    """Scores a text by the words it shares with the query; scripted to fail, to be slow, to be wrong."""

    fingerprint = "words"
    fault: Exception | None = None
    values: tuple[float | None, ...] | None = None

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []
        self.left_s = 0.0

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        self.seen.append(tuple(texts))
        self.left_s = deadline - time.monotonic()
        if self.fault is not None:
            raise self.fault
        asked = set(query.lower().split())
        shared = tuple(float(len(asked & set(text.lower().split()))) for text in texts)
        return Scores("logit", self.values or shared, 1.0, Spent(texts=len(texts), tokens=12))


@pytest.fixture
def words(light: None, settings: Any) -> Words:
    """A pipeline whose cross-encoder is scripted, beside the light one that has none."""
    (settings.SPEC_DIR / "scripted.toml").write_text(LIGHT + SPEC)
    settings.DEFAULT_PIPELINE = "scripted"
    made = Words()
    pipelines.backends().once(("rerank", "onnx", "words"), lambda: made)
    pipelines.backends().once(("rerank", "onnx", "rough"), Words)
    return made


# --- What comes back -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_texts_come_back_best_first_with_their_places(words: Words, reader: ApiClient, path: str) -> None:
    found = reader.json("post", path, ASKED).json()
    assert [line["index"] for line in found["results"]] == [1, 2, 0]
    assert [line["score"] for line in found["results"]] == [3.0, 2.0, 0.0]
    assert found["results"][0]["relevance_score"] == pytest.approx(1 / (1 + math.exp(-3)))
    assert "document" not in found["results"][0]
    assert (found["kind"], found["model"]) == ("logit", "words")
    assert found["usage"] == {"total_tokens": 12}
    assert found["meta"] == {"warnings": []}
    assert found["rerank"] == {"status": "applied", "scored": 3, "asked": 3, "reason": ""}
    assert words.seen == [tuple(TEXTS)]


def test_the_pipelines_own_depth_and_budget_do_not_count(words: Words, reader: ApiClient) -> None:
    assert len(reader.json("post", RERANK, ASKED).json()["results"]) == 3
    assert words.left_s > 10


def test_top_n_and_return_documents(words: Words, reader: ApiClient) -> None:
    asked = ASKED | {"top_n": 2, "return_documents": True, "documents": [FERRY, {"text": PIER, "id": "7"}]}
    found = reader.json("post", RERANK, asked).json()["results"]
    assert [line["document"] for line in found] == [{"text": FERRY}, {"text": PIER, "id": "7"}]
    assert len(reader.json("post", RERANK, ASKED | {"top_n": 1}).json()["results"]) == 1
    assert len(reader.json("post", RERANK, ASKED | {"top_n": 99}).json()["results"]) == 3


def test_equal_texts_stand_in_the_order_given(words: Words, reader: ApiClient) -> None:
    found = reader.json("post", RERANK, ASKED | {"documents": [FERRY] * 12}).json()["results"]
    assert [line["index"] for line in found] == list(range(12))


def test_fields_of_documents_are_read_in_the_order_named(words: Words, reader: ApiClient) -> None:
    documents = [{"title": "Ferry", "body": "It leaves.", "id": "1"}, {"body": "Fish"}, FERRY]
    asked = ASKED | {"documents": documents, "rank_fields": ["title", "body"]}
    assert reader.json("post", RERANK, asked).status_code == 200
    assert words.seen == [("Ferry\nIt leaves.", "Fish", FERRY)]


def test_what_clients_send_and_is_not_followed_is_said(words: Words, reader: ApiClient) -> None:
    asked = ASKED | {"max_tokens_per_doc": 4096, "top_n": None, "rank_fields": None, "model": None}
    assert reader.json("post", RERANK, asked).json()["meta"]["warnings"] == [
        "Not followed here: max_tokens_per_doc."
    ]


def test_long_texts_are_read_in_windows_where_the_pipeline_says_so(
    words: Words, reader: ApiClient, settings: Any
) -> None:
    windows = "window_tokens = 16\nwindow_overlap = 4\n[[rerank.before]]"
    (settings.SPEC_DIR / "windows.toml").write_text(LIGHT + SPEC.replace("[[rerank.before]]", windows))
    long = "fish is sold at the market " * 10 + FERRY
    found = reader.json("post", RERANK, ASKED | {"documents": [long, PIER], "model": "windows"}).json()
    assert [(line["index"], line["score"]) for line in found["results"]] == [(0, 3.0), (1, 2.0)]
    assert len(words.seen[0]) > 4 and words.seen[0][-1] == PIER
    trace = TraceRecord.objects.get(pk=found["id"])
    assert trace.body["spec"]["rerank"]["window_tokens"] == 16


# --- Which reranker --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "said"), [("scripted", "words"), ("words", "words"), ("rough", "rough")])
def test_a_model_is_a_pipeline_or_what_a_pipeline_names(
    words: Words, reader: ApiClient, model: str, said: str
) -> None:
    found = reader.json("post", RERANK, ASKED | {"model": model})
    assert found.json()["model"] == said


@pytest.mark.parametrize("model", ["rerank-v3.5", "light", "hashing", "ms-marco-MiniLM-L-12-v2-int8"])
def test_what_no_pipeline_reranks_with_cannot_be_had(words: Words, reader: ApiClient, model: str) -> None:
    problem = reader.json("post", RERANK, ASKED | {"model": model}).json()
    assert problem["code"] == "not_found"
    assert model in problem["detail"] and "There are: scripted, rough, words." in problem["detail"]
    assert TraceRecord.objects.count() == 0


# --- What goes wrong -------------------------------------------------------------------------------------


def test_what_was_not_scored_in_time_is_left_out_and_said(words: Words, reader: ApiClient) -> None:
    words.values = (0.5, None, None)
    found = reader.json("post", RERANK, ASKED | {"budget_ms": 50}).json()
    assert words.left_s <= 0.05
    assert [line["index"] for line in found["results"]] == [0]
    assert (found["rerank"]["status"], found["rerank"]["scored"], found["rerank"]["asked"]) == (
        "partial",
        1,
        3,
    )
    assert "2 of the documents" in found["meta"]["warnings"][0]


def test_nobody_waits_longer_than_the_site_lets_him(words: Words, reader: ApiClient, settings: Any) -> None:
    settings.API_RERANK_MS = 100
    reader.json("post", RERANK, ASKED | {"budget_ms": 60_000})
    assert words.left_s <= 0.1


@pytest.mark.parametrize("broken", ["unavailable", "nan"])
def test_no_scores_are_503_and_a_trace_that_says_why(words: Words, reader: ApiClient, broken: str) -> None:
    if broken == "nan":
        words.values = (1.0, math.nan, 0.0)
    else:
        words.fault = RerankUnavailable("No rerank worker is running.")
    response = reader.json("post", RERANK, ASKED)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"]
    assert TraceRecord.objects.get().rerank_status == "fallback"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"query": " "}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": [7]}, "documents.0"),
        ({"documents": [FERRY, {"image": "https://example.org/a.png"}]}, "documents.1"),
        ({"documents": [{"text": ["x"]}]}, "documents.0"),
        ({"documents": ["x"] * 1001}, "documents"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "3"}, "top_n"),
        ({"budget_ms": 0}, "budget_ms"),
        ({"relevant_spans": {}}, "relevant_spans"),
    ],
)
def test_what_is_wrong_is_named(words: Words, reader: ApiClient, change: Any, field: str) -> None:
    problem = reader.json("post", RERANK, ASKED | change).json()
    assert problem["code"] == "invalid"
    assert problem["errors"][0]["field"] == field
    assert not words.seen


def test_large_bodies_are_read_and_larger_ones_refused(words: Words, reader: ApiClient) -> None:
    large = {"query": "ferry", "documents": ["x" * 3_900] * 1000}
    for path in (RERANK, "/v1/rerank"):
        assert len(reader.json("post", path, large).json()["results"]) == 1000
        too_large = reader.json("post", path, {"query": "ferry", "documents": ["x" * 5_000] * 1000})
        assert (too_large.status_code, too_large.json()["code"]) == (413, "too_large")
    assert reader.json("post", "/api/v1/search", {"question": "x" * 300_000}).status_code == 413


def test_odd_texts_are_scored(words: Words, reader: ApiClient) -> None:
    odd = ["", "a\0b", "\u202e", "😀" * 100, " "]
    assert reader.json("post", RERANK, ASKED | {"documents": odd}).status_code == 200
    assert words.seen[0][1] == "ab"
    assert reader.json("post", RERANK, json.dumps(ASKED).replace("granite", "\\ud800")).status_code == 400


# --- Who, how often, what is kept ------------------------------------------------------------------------


def test_it_needs_a_key_with_the_scope_or_somebody_signed_in(
    words: Words, nobody: ApiClient, keyed: Callable[..., ApiClient], people: dict[str, User]
) -> None:
    for path in PATHS:
        assert nobody.json("post", path, ASKED).json()["code"] == "not_authenticated"
        assert keyed("reader", "read").json("post", path, ASKED).json()["code"] == "not_allowed"
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(people["reader"])
    assert browser.post(RERANK, ASKED, content_type="application/json").status_code == 403
    browser.get("/api/docs/")
    token = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    assert browser.post(RERANK, ASKED, content_type="application/json", headers=token).status_code == 200


def test_texts_are_counted_for_the_user_and_refused_ones_are_not(
    words: Words, keyed: Callable[..., ApiClient], settings: Any
) -> None:
    settings.API_RATE_TEXTS = "7/hour"
    one, other = keyed("reader"), keyed("reader")
    assert one.json("post", RERANK, ASKED).status_code == 200
    assert other.json("post", RERANK, ASKED).status_code == 200
    refused = other.json("post", RERANK, ASKED)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert "1 are left" in refused.json()["detail"] and 0 < int(refused.headers["Retry-After"]) <= 3600
    assert one.json("post", RERANK, ASKED | {"documents": [FERRY]}).status_code == 200
    assert one.json("post", RERANK, ASKED | {"documents": [FERRY]}).status_code == 429
    assert keyed("stranger").json("post", RERANK, ASKED).status_code == 200
    assert one.json("post", RERANK, ASKED | {"model": "nowhere"}).status_code == 404, "costs nothing"
    settings.API_RATE_TEXTS = "many"
    assert "SIEVE_API_RATE_TEXTS" in next(iter(checks._rates())).msg


def test_the_trace_keeps_the_order_and_no_text(words: Words, reader: ApiClient, keyed: Callable) -> None:
    found = reader.json("post", RERANK, ASKED).json()
    record = TraceRecord.objects.get(pk=found["id"])
    assert record.question == ASKED["query"]
    assert (record.rerank_status, record.answered, record.pipeline.name) == ("applied", False, "rerank:words")
    assert not PassageText.objects.exists()
    assert not [text for text in TEXTS if text in json.dumps(record.body)]
    assert record.body["spec"]["rerank"] == {"backend": "onnx", "model": "words"}
    trace = reader.get(f"/api/v1/traces/{found['id']}").json()
    assert trace["rerank"]["scored"] == 3 and trace["texts"] == {}
    assert [p["title"] for p in trace["body"]["passages"]] == ["Text 2", "Text 3", "Text 1"]
    assert trace["body"]["rankings"][0]["scores"] == [3.0, 2.0, 0.0]
    assert keyed("stranger").get(f"/api/v1/traces/{found['id']}").status_code == 404
    assert [line["id"] for line in reader.get("/api/v1/traces").json()["results"]] == [found["id"]]


def test_one_spec_stands_for_any_number_of_texts(words: Words, reader: ApiClient) -> None:
    for count in (1, 2, 3):
        reader.json("post", RERANK, ASKED | {"documents": TEXTS[:count], "budget_ms": 1000 * count})
    reader.json("post", RERANK, ASKED | {"model": "rough"})
    assert PipelineRecord.objects.count() == 2


def test_its_pages_open_and_it_is_not_asked_again(words: Words, people: dict[str, User], keyed: Any) -> None:
    trace_id = keyed("staff").json("post", RERANK, ASKED).json()["id"]
    browser = Client()
    browser.force_login(people["staff"])
    for page in (f"/traces/{trace_id}/", f"/traces/{trace_id}.json", f"/answers/{trace_id}", "/traces/"):
        assert browser.get(page).status_code == 200, page
    page = browser.get(f"/traces/{trace_id}/").content.decode()
    assert "Text 2" in page and "texts that were sent to be ranked" in page
    assert "Ask again" not in page and "Read the answer" not in page
    assert "cannot be replayed" in page and "manage.py replay" not in page
    assert browser.post(f"/traces/{trace_id}/again").status_code == 404
    with pytest.raises(CommandError, match="not kept"):
        call_command("replay", trace_id)


def test_texts_stand_in_the_metrics(words: Words, reader: ApiClient) -> None:
    words.values = (0.5, None, None)
    before = _texts("scored"), _texts("unscored")
    reader.json("post", RERANK, ASKED)
    assert (_texts("scored") - before[0], _texts("unscored") - before[1]) == (1, 2)


def _texts(outcome: str) -> float:
    return metrics.TEXTS.labels("words", outcome)._value.get()


def test_the_schema_says_who_may(words: Words) -> None:
    shape = docs.schema()["paths"]["/api/v1/rerank"]["post"]
    assert {} not in shape["security"]
    assert "`search`" in shape["description"]
