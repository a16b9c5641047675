"""OpenAI's own client, pointed at this site."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from search_app import keys
from search_app.models import Collection, TraceRecord
from tests.integrations.conftest import Site
from tests.search_app.scripted import Scripted, scripted

__all__ = ["scripted"]

pytestmark = [pytest.mark.integrations, pytest.mark.models]

QUESTION = "When does the ferry leave?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


def client(site: Site, key: str | None = None, base: str = "/v1") -> Any:
    import openai

    return openai.OpenAI(api_key=key or site.key, base_url=site.url + base, max_retries=0)


@pytest.mark.parametrize("base", ["/v1", "/api/v1"])
def test_a_quoted_answer(site: Site, quoting: None, base: str) -> None:
    found = client(site, base=base).chat.completions.create(
        model="sieve", messages=MESSAGES, temperature=0, extra_body={"sieve": {"collections": ["notes"]}}
    )
    (choice,) = found.choices
    assert "nine" in choice.message.content and choice.finish_reason == "stop"
    said = choice.message.sieve
    assert said["citations"][0]["marker"] == 1 and said["finish_reason"] == "answered"
    assert said["warnings"] == ["Not followed here: temperature."]
    assert choice.message.annotations[0].url_citation.url == said["citations"][0]["url"]
    assert TraceRecord.objects.get(pk=said["trace_id"]).question == QUESTION
    assert found.usage.completion_tokens == 0, "a quoted answer is not written"


def test_a_stream_is_the_same_and_the_helper_gathers_it(site: Site, quoting: None) -> None:
    whole = client(site).chat.completions.create(model="light", messages=MESSAGES).choices[0].message
    options = {"include_usage": True}
    stream = client(site).chat.completions.create(
        model="light", messages=MESSAGES, stream=True, stream_options=options
    )
    *read, last = list(stream)
    assert last.choices == [] and last.usage.prompt_tokens == last.usage.total_tokens > 0
    assert "".join(chunk.choices[0].delta.content or "" for chunk in read) == whole.content
    assert read[-1].choices[0].delta.sieve["citations"] == whole.sieve["citations"]
    with client(site).chat.completions.stream(model="light", messages=MESSAGES) as events:
        for _ in events:
            pass
        message = events.get_final_completion().choices[0].message
    assert message.content == whole.content
    assert message.sieve["citations"] == whole.sieve["citations"]
    (annotation,), (citation,) = message.annotations, message.sieve["citations"]
    beside = annotation.url_citation
    assert [beside.start_index, beside.end_index] == citation["answer_span"]


def test_a_conversation_goes_on_with_what_the_client_gave_back(site: Site, quoting: None) -> None:
    asking = client(site).chat.completions
    first = asking.create(model="sieve", messages=MESSAGES).choices[0].message
    more = [*MESSAGES, first.model_dump(), {"role": "user", "content": "When was the lighthouse built?"}]
    second = asking.create(model="sieve", messages=more).choices[0].message
    assert "1836" in second.content
    record = TraceRecord.objects.get(pk=second.sieve["trace_id"])
    assert record.body["query"]["history"] == [QUESTION]


def test_errors_are_openais(site: Site) -> None:
    import openai

    ours = client(site).chat.completions
    with pytest.raises(openai.AuthenticationError) as wrong:
        client(site, "sk-wrong").chat.completions.create(model="sieve", messages=MESSAGES)
    assert (wrong.value.code, wrong.value.type) == ("invalid_api_key", "authentication_error")
    with pytest.raises(openai.NotFoundError) as unknown:
        ours.create(model="gpt-4o", messages=MESSAGES)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as many:
        ours.create(model="sieve", messages=MESSAGES, n=2, stream=True)
    assert many.value.param == "n" and "1" in many.value.message
    _, reading = keys.make(User.objects.get(), "reading", ["read"])
    with pytest.raises(openai.PermissionDeniedError):
        client(site, reading).models.list()


def test_another_collection_is_not_there(site: Site, quoting: None) -> None:
    import openai

    Collection.objects.update(public=False)
    ours = client(site).chat.completions
    with pytest.raises(openai.NotFoundError) as hidden:
        ours.create(model="sieve", messages=MESSAGES, extra_body={"sieve": {"collections": ["notes"]}})
    with pytest.raises(openai.NotFoundError) as absent:
        ours.create(model="sieve", messages=MESSAGES, extra_body={"sieve": {"collections": ["absent"]}})
    assert hidden.value.body["message"].replace("notes", "absent") == absent.value.body["message"]
    with pytest.raises(openai.ConflictError) as nothing:
        ours.create(model="sieve", messages=MESSAGES, stream=True)
    assert nothing.value.code == "nothing_to_search"


def test_models_are_pipelines(site: Site) -> None:
    models = client(site).models
    assert [model.id for model in models.list()] == ["sieve", "light"]
    assert models.retrieve("light").owned_by == "sieve"


def test_leaving_in_the_middle_ends_the_writing(site: Site, scripted: Scripted) -> None:
    scripted.more, scripted.pause_s = 2000, 0.05
    stream = client(site).chat.completions.create(model="sieve", messages=MESSAGES, stream=True)
    for chunk in stream:
        if "on" in (chunk.choices[0].delta.content or ""):
            break
    stream.close()
    assert scripted.left.wait(10), "the generator was written on for nobody"
    until = time.monotonic() + 30
    while not (records := list(TraceRecord.objects.all())):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert records[0].body["answer"]["finish_reason"] == "stopped"
