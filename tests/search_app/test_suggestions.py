"""A suggestion comes only of what may be read, and never costs the answer."""

from dataclasses import replace

import pytest
from django.test import Client

from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index.base import IndexReader
from search_app import indexes, pipelines, suggestions
from search_app.access import OPERATOR, Viewer
from search_app.models import Collection, Document
from search_app.suggestions import Suggestion, suggest
from tests.search_app.web.conftest import ask, filled

__all__ = ["filled"]
NOTES, BOTH = ("notes",), ("board", "notes")


@pytest.fixture
def reader(filled: None) -> IndexReader:
    return indexes.reader(pipelines.encoder())


def test_a_misspelled_word_is_suggested_and_a_known_one_is_not(reader: IndexReader) -> None:
    assert suggest("Where is the lighthuose of Grnaite?", NOTES, reader, Viewer()) == Suggestion(
        "Where is the lighthouse of Granite?", (("lighthuose", "lighthouse"), ("Grnaite", "granite"))
    )
    for question in ("Where is the lighthouse?", "the of and", "", "?!", "xqzwvk", "lighthouse OR title:x*"):
        assert suggest(question, NOTES, reader, Viewer()) is None, question


def test_words_of_what_may_not_be_read_are_never_suggested(reader: IndexReader) -> None:
    told = suggest("companny sprinng", BOTH, reader, OPERATOR)
    assert told is not None and told.question == "company spring"
    assert suggest("companny sprinng", NOTES, reader, Viewer()) is None
    assert suggest("companny sprinng", BOTH, reader, Viewer()) is None, "the index believes it may be read"
    Document.objects.update(version=9)
    assert suggest("lighthuose", NOTES, reader, Viewer()) is None, "no passage of a current version has it"


def test_an_index_that_is_away_or_partial_means_no_suggestion(reader: IndexReader) -> None:
    class Away:
        def search(self, *_: object) -> None:
            raise IndexUnavailable("away")

    class Partial:
        def search(self, *asked: object) -> object:
            return tuple(replace(leg, partial="1 of 2 shards") for leg in reader.search(*asked))  # type: ignore[arg-type]

    for broken in (Away(), Partial()):
        assert suggest("lighthuose", NOTES, broken, Viewer()) is None  # type: ignore[arg-type]


def test_it_ends_when_its_time_is_over(reader: IndexReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestions, "BUDGET_S", 0.0)
    assert suggest("lighthuose", NOTES, reader, Viewer()) is None


def test_the_pages_and_the_api_say_it(filled: None, client: Client) -> None:
    record = ask(client, "Where is the lighthuose?", collection="notes")
    page = client.get(f"/answers/{record.pk}").content.decode()
    assert "Did you mean" in page
    own = f"q=Where+is+the+lighthouse%3F&amp;conversation={record.conversation_id}"
    assert own in page, page[page.index("Did you") :][:300]
    stream = client.get("/ask/stream", {"q": "Where is the lighthuose?"})
    assert "Where is the lighthouse?" in b"".join(stream.streaming_content).decode()
    assert "Did you mean" not in client.get(f"/answers/{ask(client).pk}").content.decode()
    for path in ("search", "answers"):
        body = {"question": "Where is the lighthuose?"}
        found = client.post(f"/api/v1/{path}", body, content_type="application/json").json()
        assert found["suggestion"] == {
            "question": "Where is the lighthouse?",
            "words": [{"typed": "lighthuose", "meant": "lighthouse"}],
        }
    assert Collection.objects.count() == 2


def test_a_kept_answer_is_shown_while_the_index_is_not_here(
    filled: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = ask(client, "Where is the lighthuose?")

    def gone(*_: object) -> None:
        raise IndexCorrupt("no index")

    monkeypatch.setattr(indexes, "reader", gone)
    assert client.get(f"/answers/{record.pk}").status_code == 200
