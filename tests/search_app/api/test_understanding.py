"""Filters inside the search, and a question understood with those before it."""

import pytest

from search_app import filtering
from search_app.models import Collection, Document, TraceRecord
from tests.search_app.api.conftest import ApiClient

SEARCH, ANSWERS = "/api/v1/search", "/api/v1/answers"
ASKED = {"question": "granite ticket ferry"}


def texts(client: ApiClient, filters: dict[str, object], path: str = SEARCH) -> list[str]:
    return [p["text"] for p in client.json("post", path, ASKED | {"filters": filters}).json()["passages"]]


def test_filters_act_inside_the_search_and_the_answer(filled: None, nobody: ApiClient) -> None:
    everything = nobody.json("post", SEARCH, ASKED).json()["passages"]
    some = everything[-1]
    phrase = " ".join(some["text"].split()[:3]).upper()
    document = some["document_id"]
    for path in (SEARCH, ANSWERS):
        assert len(texts(nobody, {}, path)) == 3
        assert texts(nobody, {"documents": [document]}, path) == [some["text"]]
        assert texts(nobody, {"phrases": [phrase]}, path) == [some["text"]]
        assert texts(nobody, {"phrases": [phrase, "no such words"]}, path) == []
        assert texts(nobody, {"documents": [9999]}, path) == []
        assert texts(nobody, {"formats": ["nope"]}, path) == []
        assert texts(nobody, {"title": some["title"], "documents": [document]}, path) == [some["text"]]
        assert texts(nobody, {"title": "no such title"}, path) == []
    stored = TraceRecord.objects.order_by("-created").first()
    assert stored is not None and stored.body["query"]["filters"]["title"] == "no such title"


def test_formats_open_no_other_collection_and_hold_with_documents(
    filled: None, nobody: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Document.objects.filter(format="csv").get()
    assert len(texts(nobody, {"formats": ["csv"]})) == 1
    other = Document.objects.exclude(format="csv").first()
    assert other is not None and texts(nobody, {"formats": ["csv"], "documents": [other.pk]}) == []
    assert len(texts(nobody, {"formats": ["csv"], "documents": [row.pk, other.pk]})) == 1
    monkeypatch.setattr(filtering, "MOST", 0)
    problem = nobody.json("post", SEARCH, ASKED | {"filters": {"formats": ["csv"]}}).json()
    assert problem["status"] == 400 and "More than 0 documents" in problem["detail"]


@pytest.mark.parametrize(
    "filters",
    [
        {"title": "x" * 201},
        {"phrases": ["x" * 201]},
        {"phrases": [" "]},
        {"phrases": ["a"] * 6},
        {"phrases": "a"},
        {"title": ["a"]},
        {"documents": ["1"]},
        {"query": "title:x"},
    ],
)
def test_filters_that_cannot_be_are_refused(filled: None, nobody: ApiClient, filters: object) -> None:
    assert nobody.json("post", SEARCH, ASKED | {"filters": filters}).status_code == 400


@pytest.mark.parametrize("text", ['title:"x" OR *', "(a", "*", "\\", "a AND", "[1 TO 2]", "/x.*/"])
def test_filters_are_text(filled: None, nobody: ApiClient, text: str) -> None:
    for filters in ({"title": text}, {"phrases": [text]}):
        assert nobody.json("post", SEARCH, ASKED | {"filters": filters}).status_code == 200


def test_a_follow_up_is_understood_with_the_questions_before_it(
    understanding: None, filled: None, nobody: ApiClient
) -> None:
    history = ["When does the ferry leave?"]
    nobody.json("post", ANSWERS, {"question": "How much does it cost?", "history": history})
    record = TraceRecord.objects.get()
    assert record.body["query"]["history"] == history
    assert record.body["query"]["text"] == "How much does it cost?"
    assert record.body["rewriting"] == {"question": "How much does it cost? (ferry leave)", "by": "rule"}


def test_without_history_a_follow_up_is_searched_as_it_was_typed(
    understanding: None, filled: None, nobody: ApiClient
) -> None:
    nobody.json("post", SEARCH, {"question": "How much does it cost?"})
    assert TraceRecord.objects.get().body["rewriting"] is None


@pytest.mark.parametrize("history", [["x"] * 6, ["x" * 2001], [""], "x", [1]])
def test_a_history_that_cannot_be_is_refused(filled: None, nobody: ApiClient, history: object) -> None:
    assert nobody.json("post", SEARCH, ASKED | {"history": history}).status_code == 400


def test_a_document_of_a_closed_collection_stays_closed(
    filled: None, nobody: ApiClient, staff: ApiClient
) -> None:
    ids = list(Document.objects.values_list("pk", flat=True))
    Collection.objects.update(public=False)
    Collection.objects.create(name="open", public=True)
    for filters in ({"documents": ids}, {"formats": ["csv"]}):
        body = ASKED | {"filters": filters}
        assert nobody.json("post", SEARCH, body).json().get("passages", []) == []
        assert staff.json("post", SEARCH, body).json()["passages"]
