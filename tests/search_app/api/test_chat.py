"""Questions in the shape of OpenAI's API, without its client: that one is in tests/integrations."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from rag.errors import GenerationUnavailable, IndexUnavailable
from rag.generate.base import NO_ANSWER
from search_app import asking, pipelines
from search_app.access import Viewer
from search_app.api.chat.completion import NOT_WRITTEN, Completion
from search_app.api.views import chat
from search_app.models import Collection, TraceRecord
from tests.search_app.api.conftest import ApiClient
from tests.search_app.conftest import LIGHT
from tests.search_app.scripted import Scripted, scripted

__all__ = ["scripted"]

PATHS = ("/api/v1/chat/completions", "/v1/chat/completions")
CHAT = PATHS[1]
QUESTION = "When does the ferry leave?"


def asked(*said: Any, **more: Any) -> dict[str, Any]:
    """Messages of a user and an assistant in turn, the last one of the user."""
    roles = ["user", "assistant"] * len(said)
    return {"messages": [{"role": r, "content": s} for r, s in zip(roles, said, strict=False)]} | more


ASKED = asked(QUESTION)


def chunks(response: Any) -> list[Any]:
    """The chunks of a stream, each held against what every chunk must be."""
    assert response.headers["Content-Type"] == "text/event-stream"
    body = b"".join(response.streaming_content).decode("ascii")
    frames = [frame for frame in body.removesuffix("\n\n").split("\n\n") if not frame.startswith(":")]
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    assert frames.pop() == "data: [DONE]"
    read = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    same = {(c["id"], c["object"], c["created"], c["model"], c["system_fingerprint"]) for c in read}
    ((id_, kind, created, _, _),) = same
    assert id_.startswith("chatcmpl-") and kind == "chat.completion.chunk"
    assert abs(created - time.time()) < 60
    return read


@pytest.mark.parametrize("path", PATHS)
def test_a_chat_is_answered_with_what_it_stands_on(
    filled: None, scripted: Scripted, reader: ApiClient, path: str
) -> None:
    found = reader.json("post", path, ASKED | {"model": "sieve"}).json()
    (choice,) = found["choices"]
    message, said = choice["message"], choice["message"]["sieve"]
    assert (found["object"], found["model"], choice["finish_reason"]) == ("chat.completion", "sieve", "stop")
    assert (message["role"], message["refusal"]) == ("assistant", None)
    assert message["content"] == "It leaves.\u2028\x85 At nine [1]."
    assert found["usage"] == {
        "prompt_tokens": 120,
        "completion_tokens": 9,
        "total_tokens": 129,
        "prompt_tokens_details": {"cached_tokens": 64},
    }
    assert (said["finish_reason"], said["confidence"], said["warnings"]) == ("answered", 0.75, [])
    assert "north pier" in said["passages"][0]["text"]
    assert said["citations"][0]["marker"] == 1
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": 0,
                "end_index": 14,
                "title": said["passages"][0]["title"],
                "url": said["citations"][0]["url"],
            },
        }
    ]
    record = TraceRecord.objects.get()
    assert found["id"] == f"chatcmpl-{record.pk}" and said["trace_id"] == str(record.pk)
    assert (record.question, record.user.username) == (QUESTION, "reader")


def test_the_same_comes_in_chunks(filled: None, scripted: Scripted, reader: ApiClient) -> None:
    whole = reader.json("post", CHAT, ASKED).json()["choices"][0]["message"]
    read = chunks(reader.json("post", CHAT, ASKED | {"stream": True}))
    assert all("usage" not in chunk for chunk in read)
    choices = [chunk["choices"][0] for chunk in read]
    assert choices[0]["delta"]["role"] == "assistant"
    assert all("role" not in choice["delta"] for choice in choices[1:])
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == whole["content"]
    last = choices[-1]["delta"]
    assert last["annotations"][0]["url_citation"]["end_index"] == 14
    assert last["sieve"].keys() == whole["sieve"].keys()
    assert [p["passage_id"] for p in last["sieve"]["passages"]] == [
        p["passage_id"] for p in whole["sieve"]["passages"]
    ]


def test_usage_is_streamed_when_it_is_asked_for(filled: None, scripted: Scripted, reader: ApiClient) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *before, last = chunks(reader.json("post", CHAT, ASKED | options))
    assert all(chunk["usage"] is None for chunk in before)
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 129)


def test_the_last_message_of_a_user_is_the_question(
    filled: None, scripted: Scripted, reader: ApiClient
) -> None:
    parts = [{"type": "text", "text": "When does"}, {"type": "text", "text": "the ferry leave?"}]
    body = asked("What is a pier?", "A jetty.", " ", None, "And a ferry?", "A ship.", parts)
    body["messages"].insert(0, {"role": "system", "content": "Answer as a pirate."})
    body["messages"].append({"role": "assistant", "content": None, "tool_calls": []})
    found = reader.json("post", CHAT, body | {"temperature": 0.2, "tools": [{"type": "function"}]}).json()
    query = TraceRecord.objects.get().body["query"]
    assert query["text"] == scripted.seen[0] == "When does\nthe ferry leave?"
    assert query["history"] == ["What is a pier?", "And a ferry?"]
    assert "pirate" not in json.dumps(query)
    warnings = found["choices"][0]["message"]["sieve"]["warnings"]
    assert warnings == ["Not followed here: temperature, tools, system messages."]


def test_filters_narrow_the_search(filled: None, reader: ApiClient) -> None:
    body = asked("granite ticket ferry", sieve={"filters": {"formats": ["csv"]}, "collections": ["notes"]})
    (passage,) = reader.json("post", CHAT, body).json()["choices"][0]["message"]["sieve"]["passages"]
    assert "bicycle" in passage["text"]


def test_no_answer_is_a_completion_with_its_sentence(
    filled: None, scripted: Scripted, reader: ApiClient
) -> None:
    scripted.ends = "no_answer"
    choice = reader.json("post", CHAT, ASKED).json()["choices"][0]
    assert (choice["finish_reason"], choice["message"]["sieve"]["finish_reason"]) == ("stop", "no_answer")
    assert choice["message"]["content"] == NO_ANSWER
    assert (choice["message"]["sieve"]["confidence"], choice["message"]["annotations"]) == (-3.5, [])


def test_an_answer_that_broke_off_says_that_it_is_not_whole(
    filled: None, scripted: Scripted, reader: ApiClient
) -> None:
    scripted.fault = GenerationUnavailable("the server went away")
    choice = reader.json("post", CHAT, ASKED).json()["choices"][0]
    said = choice["message"]["sieve"]
    assert (choice["finish_reason"], said["finish_reason"]) == ("length", "failed")
    assert choice["message"]["content"].startswith("It leaves.")
    assert "went away" in said["degraded"][0]
    *_, last = chunks(reader.json("post", CHAT, ASKED | {"stream": True}))
    assert last["choices"][0]["finish_reason"] == "length"


def test_where_no_answer_was_written_it_says_so(filled: None, reader: ApiClient) -> None:
    choice = reader.json("post", CHAT, ASKED).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (NOT_WRITTEN, "stop")
    assert choice["message"]["sieve"]["finish_reason"] is None
    assert choice["message"]["sieve"]["passages"]
    read = chunks(reader.json("post", CHAT, ASKED | {"stream": True}))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in read) == NOT_WRITTEN


def test_pipelines_are_models(filled: None, reader: ApiClient, settings: Any) -> None:
    (settings.SPEC_DIR / "other.toml").write_text(LIGHT)
    for base in ("/api/v1/models", "/v1/models"):
        found = reader.get(base).json()
        assert found["object"] == "list"
        assert [model["id"] for model in found["data"]] == ["sieve", "light", "other"]
        assert all(m["object"] == "model" and m["created"] > 1e9 and m["owned_by"] for m in found["data"])
        assert reader.get(f"{base}/other").json() == found["data"][2]
        assert reader.get(f"{base}/nothing").status_code == 404
    assert reader.json("post", CHAT, ASKED | {"model": "other"}).json()["model"] == "other"
    assert TraceRecord.objects.get().pipeline.name == "other"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 400, "invalid", "messages"),
        ({"messages": []}, 400, "invalid", "messages"),
        ({"messages": "ferry"}, 400, "invalid", "messages"),
        (asked(" \t\0"), 400, "invalid", "messages"),
        (asked("ferry", "no", ""), 400, "invalid", "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, 400, "invalid", "messages"),
        ({"messages": [{"role": "pirate", "content": "x"}]}, 400, "invalid", "messages.0.role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, 400, "invalid", "messages.0.role"),
        (asked(7), 400, "invalid", "messages.0.content"),
        (asked([{"type": "image_url", "image_url": {}}]), 400, "invalid", "messages.0.content"),
        (asked([{"type": "text", "text": 7}]), 400, "invalid", "messages.0.content"),
        (asked("x" * (asking.MAX_QUESTION + 1)), 400, "invalid", "messages.0.content"),
        (ASKED | {"n": 2}, 400, "invalid", "n"),
        (ASKED | {"n": True}, 400, "invalid", "n"),
        (ASKED | {"logprobs": True}, 400, "invalid", "logprobs"),
        (ASKED | {"response_format": {"type": "json_object"}}, 400, "invalid", "response_format"),
        (ASKED | {"tool_choice": "required"}, 400, "invalid", "tool_choice"),
        (ASKED | {"audio": {"voice": "x"}}, 400, "invalid", "audio"),
        (ASKED | {"stream": "yes"}, 400, "invalid", "stream"),
        (ASKED | {"top_k": 40}, 400, "invalid", "top_k"),
        (ASKED | {"sieve": {"colections": []}}, 400, "invalid", "sieve.colections"),
        (ASKED | {"sieve": {"collections": ["nowhere"]}}, 404, "not_found", None),
        (ASKED | {"model": "gpt-3.5-turbo"}, 404, "model_not_found", "model"),
    ],
)
def test_what_cannot_be_had_is_refused_in_openais_shape(
    filled: None, reader: ApiClient, body: object, status: int, code: str, param: str | None
) -> None:
    for path in PATHS:
        response = reader.json("post", path, json.dumps(body))
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (status, code, param), error
    assert TraceRecord.objects.count() == 0


def test_what_is_null_is_not_asked_for(filled: None, scripted: Scripted, reader: ApiClient) -> None:
    names = [name for name in chat.ChatRequest().fields if name != "messages"]
    found = reader.json("post", CHAT, ASKED | dict.fromkeys(names)).json()
    assert found["choices"][0]["message"]["sieve"]["warnings"] == []


def test_errors_before_the_view_have_the_shape_too(
    filled: None, reader: ApiClient, nobody: ApiClient, keyed: Callable[..., ApiClient], settings: Any
) -> None:
    refused = nobody.json("post", CHAT, ASKED)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "not_authenticated")
    bad = nobody.json("post", CHAT, ASKED, headers={"Authorization": "Bearer sk-none"})
    assert (bad.status_code, bad.json()["error"]["type"]) == (401, "authentication_error")
    assert bad.json()["error"]["code"] == "invalid_api_key"
    assert keyed("reader", "read").json("post", CHAT, ASKED).json()["error"]["type"] == "permission_error"
    assert keyed("reader", "read").get("/v1/models").status_code == 403
    assert reader.get(CHAT).json()["error"]["code"] == "method_not_allowed"
    broken = reader.post(CHAT, "{", content_type="application/json")
    assert broken.json()["error"]["code"] == "malformed"
    far = nobody.post(CHAT, "x" * (settings.ANONYMOUS_REQUEST_BYTES + 1), content_type="application/json")
    assert (far.status_code, far.json()["error"]["code"]) == (413, "too_large")
    settings.API_RATE_KEY = "1/hour"
    last = [reader.json("post", CHAT, ASKED) for _ in range(2)][-1]
    assert (last.status_code, last.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert last.headers["Retry-After"]


def test_a_collection_that_may_not_be_read_is_none(filled: None, reader: ApiClient, staff: ApiClient) -> None:
    Collection.objects.update(public=False)
    body = ASKED | {"sieve": {"collections": ["notes"]}}
    hidden = reader.json("post", CHAT, body)
    absent = reader.json("post", CHAT, ASKED | {"sieve": {"collections": ["absent"]}})
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["error"]["message"].replace("notes", "absent") == absent.json()["error"]["message"]
    nothing = reader.json("post", CHAT, ASKED)
    assert nothing.status_code == 409 and nothing.headers["X-Should-Retry"] == "false"
    assert staff.json("post", CHAT, body).status_code == 200


def test_what_goes_wrong_while_it_streams_is_an_error_in_the_stream(
    filled: None, scripted: Scripted, reader: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.fault = RuntimeError("secret detail")
    body = b"".join(reader.json("post", CHAT, ASKED | {"stream": True}).streaming_content).decode()
    last = json.loads(body.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["code"] == "broken" and "secret" not in body

    def away(*_: object, **__: object) -> None:
        raise IndexUnavailable("Nothing can be searched now.")

    monkeypatch.setattr(pipelines, "get", away)
    response = reader.json("post", CHAT, ASKED | {"stream": True})
    assert (response.status_code, response.json()["error"]["type"]) == (503, "server_error")
    assert response.headers["Retry-After"]


def test_a_reader_who_leaves_ends_the_writing(filled: None, scripted: Scripted) -> None:
    recording = asking.ask(QUESTION, viewer=Viewer(asker="x"))
    completion = Completion(trace_id=recording.trace_id, model="sieve", absolute=str)
    frames = chat._frames(recording, completion, recording.begun())
    assert '"role": "assistant"' in next(frames)
    assert any("It leaves." in frame for frame in frames if not frame.startswith(":"))
    frames.close()
    assert TraceRecord.objects.get().body["answer"]["finish_reason"] == "stopped"
