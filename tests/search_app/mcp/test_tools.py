"""What the tools give, and to whom."""

import json
from collections.abc import Callable

import jsonschema
import pytest
from django.contrib.auth.models import User

from rag.errors import IndexUnavailable
from search_app import asking, pipelines
from search_app.mcp.tools import TOOLS, shown
from search_app.models import Collection, Document, TraceRecord
from tests.search_app.mcp.conftest import Speaker
from tests.search_app.scripted import Scripted

QUESTION = "When does the ferry leave?"
Speaking = Callable[..., Speaker]


@pytest.mark.parametrize("name", TOOLS)
def test_schemas_are_schemas_of_objects(name: str) -> None:
    tool = shown(TOOLS[name])
    for schema in (tool["inputSchema"], tool["outputSchema"]):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object" and schema["required"]
        assert json.dumps(schema)
    assert tool["inputSchema"]["additionalProperties"] is False


@pytest.mark.parametrize("modern", [True, False])
def test_what_tools_give_is_what_their_schema_says(
    filled: None, scripted: Scripted, speaking: Speaking, modern: bool
) -> None:
    speaker, document = speaking(modern=modern), Document.objects.get(name__endswith="ferry.md")
    for name, arguments in (
        ("search", {"question": QUESTION, "top": 2}),
        ("answer", {"question": QUESTION, "collections": ["notes"]}),
        ("get_document", {"document_id": document.pk}),
    ):
        result = speaker.call(name, **arguments)
        assert not result["isError"]
        validator = jsonschema.Draft202012Validator(shown(TOOLS[name])["outputSchema"])
        validator.validate(result["structuredContent"])
        (content,) = result["content"]
        assert content["type"] == "text" and json.loads(content["text"]) == result["structuredContent"]


def test_a_search_finds_and_leaves_a_trace(filled: None, speaking: Speaking) -> None:
    found = speaking("reader", "search").call("search", question=QUESTION, top=1)["structuredContent"]
    (passage,) = found["passages"]
    assert "north pier" in passage["text"] and passage["rank"] == 1
    assert passage["url"].startswith(f"http://testserver/documents/{passage['document_id']}?")
    record = TraceRecord.objects.get()
    assert (str(record.pk), record.user.username) == (found["trace_id"], "reader")
    assert record.body["spec"]["generate"] is None


def test_an_answer_cites(filled: None, scripted: Scripted, speaking: Speaking) -> None:
    asked = {"question": "And when?", "history": [QUESTION], "pipeline": "light"}
    found = speaking("reader", "search").call("answer", **asked)["structuredContent"]
    assert (found["answer"], found["finish_reason"]) == ("It leaves.\u2028\x85 At nine [1].", "answered")
    assert found["citations"][0]["document_id"] == found["passages"][0]["document_id"]
    assert found["url"].endswith(found["trace_id"])
    assert TraceRecord.objects.get().body["query"]["history"] == [QUESTION]


def test_a_document_is_read_in_windows(filled: None, speaking: Speaking) -> None:
    speaker, document = speaking("reader", "read"), Document.objects.get(name__endswith="ferry.md")
    whole = speaker.call("get_document", document_id=document.pk)["structuredContent"]
    assert (whole["offset"], whole["next_offset"]) == (0, None)
    assert whole["total"] == len(whole["text"])
    text, offset = "", 0
    while offset is not None:
        part = speaker.call("get_document", document_id=document.pk, offset=offset, limit=7)
        assert len(part["structuredContent"]["text"]) <= 7
        text += part["structuredContent"]["text"]
        offset = part["structuredContent"]["next_offset"]
    assert text == whole["text"]
    beyond = speaker.call("get_document", document_id=document.pk, offset=2**60)["structuredContent"]
    assert (beyond["text"], beyond["next_offset"]) == ("", None)
    assert TraceRecord.objects.count() == 0


def test_filters_narrow_the_search(filled: None, scripted: Scripted, speaking: Speaking) -> None:
    speaker = speaking("reader", "search")
    for filters in ({"formats": ["csv"]}, {"phrases": ["bicycle"]}, {"documents": [id_of("prices.csv")]}):
        for tool in ("search", "answer"):
            found = speaker.call(tool, question="granite ticket ferry", filters=filters)
            (passage,) = found["structuredContent"]["passages"]
            assert "bicycle" in passage["text"]


def id_of(name: str) -> int:
    return Document.objects.get(name__endswith=name).pk


# --- Who may ---------------------------------------------------------------------------------------------


def test_what_may_not_be_read_is_not_there_in_any_tool(
    filled: None, scripted: Scripted, speaking: Speaking, people: dict[str, User]
) -> None:
    Collection.objects.update(public=False)
    other = Collection.objects.create(name="other", public=True)
    document = Document.objects.get(name__endswith="ferry.md")
    for speaker in (speaking("stranger"), speaking("staff", only=(other,))):
        hidden = speaker.call("get_document", document_id=document.pk)
        absent = speaker.call("get_document", document_id=987654321)
        assert hidden["isError"] and "structuredContent" not in hidden
        said = f"There is no document {document.pk} that you may read."
        assert hidden == absent | {"content": [{"type": "text", "text": said}]}
        for tool in ("search", "answer"):
            hidden = speaker.call(tool, question=QUESTION, collections=["notes"])
            absent = speaker.call(tool, question=QUESTION, collections=["absent"])
            assert hidden["isError"] and str(hidden).replace("notes", "absent") == str(absent)
            everything = speaker.call(tool, question=QUESTION)
            assert "pier" not in str(everything)
    Collection.objects.get(name="notes").readers.add(people["stranger"])
    assert not speaking("stranger").call("get_document", document_id=document.pk)["isError"]


def test_a_key_sees_and_calls_what_its_scopes_say(filled: None, speaking: Speaking) -> None:
    document = Document.objects.first()
    assert document is not None
    for scope, tools in (("search", ["search", "answer"]), ("read", ["get_document"])):
        speaker = speaking("reader", scope)
        listed = speaker.ask("tools/list").json()["result"]["tools"]
        assert [tool["name"] for tool in listed] == tools
    refused = speaking("reader", "search").call("get_document", document_id=document.pk)
    assert refused["isError"] and refused["_meta"]["sieve.code"] == "not_allowed"
    refused = speaking("reader", "read").call("search", question=QUESTION)
    assert refused["isError"] and "scope search" in refused["content"][0]["text"]
    nothing = speaking("reader", "metrics", "write").ask("tools/list")
    assert (nothing.status_code, nothing.json()["error"]["data"]) == (403, {"code": "not_allowed"})


# --- What cannot be done ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search", {}),
        ("search", {"question": 7}),
        ("search", {"question": ""}),
        ("search", {"question": " \0 "}),
        ("search", {"question": "x" * (asking.MAX_QUESTION + 1)}),
        ("search", {"question": "x", "top": 0}),
        ("search", {"question": "x", "top": True}),
        ("search", {"question": "x", "top": 51}),
        ("search", {"question": "x", "colections": ["notes"]}),
        ("search", {"question": "x", "collections": "notes"}),
        ("search", {"question": "x", "collections": ["../notes"]}),
        ("search", {"question": "x", "pipeline": "../../etc/passwd"}),
        ("search", {"question": "x", "filters": {"format": ["pdf"]}}),
        ("search", {"question": "x", "filters": {"documents": ["1"]}}),
        ("answer", {"question": "x", "history": ["y"] * 21}),
        ("answer", {"question": "x", "history": [{"role": "user"}]}),
        ("get_document", {"document_id": "1"}),
        ("get_document", {"document_id": 0}),
        ("get_document", {"document_id": 2**63}),
        ("get_document", {"document_id": 1, "offset": -1}),
        ("get_document", {"document_id": 1, "limit": 10**9}),
        ("get_document", {"document_id": 1, "version": 1}),
    ],
)
def test_arguments_that_cannot_be_are_told_to_the_model(
    filled: None, speaking: Speaking, tool: str, arguments: dict[str, object]
) -> None:
    result = speaking().call(tool, **arguments)
    assert result["isError"] and "structuredContent" not in result
    (content,) = result["content"]
    assert 10 < len(content["text"]) < 600
    assert TraceRecord.objects.count() == 0


def test_what_is_away_or_broken_is_said_without_a_word_of_it(
    filled: None, speaking: Speaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault: Exception = IndexUnavailable("Nothing can be searched now.")

    def raises(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(pipelines, "get", raises)
    away = speaking().call("search", question=QUESTION)
    assert away["isError"] and away["content"][0]["text"] == "Nothing can be searched now."
    fault = RuntimeError("secret detail")
    broken = speaking().call("search", question=QUESTION)
    assert broken["_meta"]["sieve.code"] == "broken" and "secret" not in str(broken)
