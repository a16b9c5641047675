import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from rag.errors import IndexUnavailable
from rag.types import STAGES
from search_app import asking, pipelines
from search_app.access import Viewer
from search_app.api.views import questions
from search_app.models import Collection, TraceRecord
from search_app.pages.spent import BEFORE
from tests.search_app.api.conftest import ApiClient

SEARCH, ANSWERS = "/api/v1/search", "/api/v1/answers"
QUESTION = {"question": "When does the ferry leave?"}


def events(response: Any) -> list[tuple[str, Any]]:
    assert response.headers["Content-Type"] == "text/event-stream"
    frames = b"".join(response.streaming_content).decode().removesuffix("\n\n").split("\n\n")
    told = [frame for frame in frames if not frame.startswith(":")]  # a comment only looks who still listens
    fields = [dict(line.split(": ", 1) for line in frame.split("\n")) for frame in told]
    return [(field["event"], json.loads(field["data"])) for field in fields]


def test_a_search_says_where_each_passage_stood_and_keeps_its_trace(filled: None, reader: ApiClient) -> None:
    found = reader.json("post", SEARCH, QUESTION).json()
    first = found["passages"][0]
    assert "north pier" in first["text"]
    assert first["rank"] == 1
    assert list(first["stages"]) == [stage for stage in STAGES if stage not in BEFORE]
    assert first["stages"]["bm25"] == {
        "rank": 1,
        "score": pytest.approx(first["stages"]["bm25"]["score"]),
        "kind": "bm25",
    }
    assert first["stages"]["knn"]["kind"] == "cosine"
    assert first["stages"]["reranked"] is None
    assert found["rerank"]["status"] == "skipped" and "no cross-encoder" in found["rerank"]["reason"]
    record = TraceRecord.objects.get()
    assert str(record.pk) == found["trace_id"]
    assert record.body["spec"]["generate"] is None
    assert first["url"].startswith(f"http://testserver/documents/{first['document_id']}?")


def test_top_and_filters_narrow_what_is_returned(filled: None, nobody: ApiClient) -> None:
    everything = nobody.json("post", SEARCH, {"question": "granite ticket ferry"}).json()["passages"]
    assert len(everything) == 3
    one = nobody.json("post", SEARCH, {"question": "granite ticket ferry", "top": 1}).json()["passages"]
    assert [p["rank"] for p in one] == [1]
    csv = {"question": "granite ticket ferry", "filters": {"formats": ["csv"]}}
    (only,) = nobody.json("post", SEARCH, csv).json()["passages"]
    assert "bicycle" in only["text"]
    assert only["rank"] == 1, "a filter acts inside the search"
    by_id = {"question": "granite ticket ferry", "filters": {"documents": [only["document_id"]]}}
    assert nobody.json("post", SEARCH, by_id).json()["passages"] == [only]


def test_an_answer_comes_whole_or_as_events(filled: None, reader: ApiClient) -> None:
    whole = reader.json("post", ANSWERS, QUESTION).json()
    assert whole["answer"] is None, "the light pipeline has no generator"
    assert whole["passages"][0]["marker"] == 1
    asked = QUESTION | {"stream": True}
    for response in (
        reader.json("post", ANSWERS, asked),
        reader.json("post", ANSWERS, QUESTION, headers={"Accept": "text/event-stream"}),
    ):
        (first, so_far), (last, done) = events(response)
        assert (first, last) == ("passages", "done")
        assert so_far["passages"] == done["passages"]
        assert TraceRecord.objects.filter(pk=done["trace_id"]).exists()


def test_a_reader_who_leaves_ends_the_question(filled: None) -> None:
    frames = questions._frames(asking.ask("ferry", viewer=Viewer(asker="x")), str)
    assert next(one for one in frames if not one.startswith(":")).startswith("event: passages")
    frames.close()
    assert TraceRecord.objects.get().question == "ferry"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"question": " \t "}, 400, "invalid"),
        ({"question": "\0"}, 400, "invalid"),
        ({"question": "x" * (asking.MAX_QUESTION + 1)}, 400, "invalid"),
        ({"question": 7}, 400, "invalid"),
        ({"question": "ferry", "top": "5"}, 400, "invalid"),
        ({"question": "ferry", "top": True}, 400, "invalid"),
        ({"question": "ferry", "top": 101}, 400, "invalid"),
        ({"question": "ferry", "collection": "notes"}, 400, "invalid"),
        ({"question": "ferry", "collections": ["no such"]}, 400, "invalid"),
        ({"question": "ferry", "collections": ["nowhere"]}, 404, "not_found"),
        ({"question": "ferry", "pipeline": "nowhere"}, 404, "not_found"),
        ({"question": "ferry", "filters": {"format": ["pdf"]}}, 400, "invalid"),
        ([QUESTION], 400, "invalid"),
        ("ferry", 400, "invalid"),
    ],
)
def test_what_cannot_be_asked_is_said(
    filled: None, reader: ApiClient, body: object, status: int, code: str
) -> None:
    problem = reader.json("post", SEARCH, json.dumps(body)).json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert TraceRecord.objects.count() == 0


def test_an_unknown_field_is_refused_by_name(filled: None, reader: ApiClient) -> None:
    problem = reader.json("post", SEARCH, QUESTION | {"colection": "notes"}).json()
    assert problem["errors"][0]["field"] == "colection"
    assert "collections" in problem["errors"][0]["detail"]


def test_a_collection_that_may_not_be_read_is_none(filled: None, reader: ApiClient, staff: ApiClient) -> None:
    Collection.objects.update(public=False)
    body = QUESTION | {"collections": ["notes"]}
    hidden = reader.json("post", SEARCH, body)
    absent = reader.json("post", SEARCH, QUESTION | {"collections": ["absent"]})
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["detail"].replace("notes", "absent") == absent.json()["detail"]
    assert reader.json("post", SEARCH, QUESTION).json()["code"] == "nothing_to_search"
    assert staff.json("post", SEARCH, body).status_code == 200


def test_what_is_unavailable_is_503_with_a_sentence(
    filled: None, reader: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise IndexUnavailable("Nothing can be searched now.")

    monkeypatch.setattr(pipelines, "get", broken)
    response = reader.json("post", SEARCH, QUESTION)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"]


def test_a_bug_is_500_without_a_word_of_it(
    filled: None, reader: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(questions.results, "searched", broken)
    response = reader.json("post", SEARCH, QUESTION)
    assert response.status_code == 500
    assert b"secret" not in response.content
    monkeypatch.setattr(questions.results, "answered", broken)
    ((name, problem),) = events(reader.json("post", ANSWERS, QUESTION | {"stream": True}))
    assert (name, problem["code"]) == ("failed", "broken")
    assert "secret" not in str(problem)


def test_feedback_is_one_word_each(
    filled: None, reader: ApiClient, nobody: ApiClient, keyed: Callable[..., ApiClient]
) -> None:
    trace_id = reader.json("post", ANSWERS, QUESTION).json()["trace_id"]
    body = {"trace": trace_id, "liked": False, "reason": "It quotes the old time."}
    assert reader.json("post", "/api/v1/feedback", body).status_code == 200
    said = reader.json("post", "/api/v1/feedback", body | {"liked": True, "reason": ""}).json()
    assert (said["trace"], said["liked"], said["reason"]) == (trace_id, True, "")
    record = TraceRecord.objects.get(pk=trace_id)
    assert record.feedback.count() == 1
    assert nobody.json("post", "/api/v1/feedback", body).status_code == 401
    assert keyed("stranger").json("post", "/api/v1/feedback", body).status_code == 404
    assert reader.json("post", "/api/v1/feedback", body | {"trace": str(uuid.uuid4())}).status_code == 404
