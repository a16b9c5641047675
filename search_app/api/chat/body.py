"""The body of a chat: the fields that OpenAI publishes, and `sieve`, which is our own."""

import json
from collections.abc import Mapping
from typing import Any

from drf_spectacular.drainage import set_override
from rest_framework import serializers as drf
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

from search_app.api.bodies import Filters
from search_app.api.fields import SAID, Body, Flag, Names, Text
from search_app.asking import MAX_HISTORY, MAX_QUESTION

DEFAULT = "sieve"
"""The name of the site's own pipeline as a model."""
MAX_MESSAGES = 1000
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
INSTRUCTIONS = frozenset({"system", "developer"})
UNUSED = (
    *("temperature", "top_p", "seed", "stop", "max_tokens", "max_completion_tokens", "logit_bias"),
    *("frequency_penalty", "presence_penalty", "reasoning_effort", "verbosity", "prediction"),
    *("tools", "functions", "parallel_tool_calls", "web_search_options", "moderation", "service_tier"),
    *("store", "metadata", "user", "safety_identifier"),
    *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
)
"""Taken and not followed, which the answer says: how an answer is written is for the pipeline to say."""
TEXT_ONLY = "Only text can be asked: this message has a part of another type."
NO_QUESTION = "There must be a message with the role user, and the last of them must hold a text."


class _Optional(drf.Field):
    """A field that may be null, too, in a schema of its own."""

    def __init__(self, schema: Mapping[str, Any], help_text: str = "") -> None:
        super().__init__(required=False, help_text=help_text or None)
        set_override(self, "field", dict(schema))

    def run_validation(self, data: Any = empty) -> Any:
        return None if data is None else super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        return data


class Unused(_Optional):
    """Takes anything."""

    def __init__(self) -> None:
        super().__init__({}, "Not followed.")


class Only(_Optional):
    """Takes one of these values and nothing else: any other asks for an answer that cannot be had."""

    default_error_messages = {"other": "Of this field only {values} can be had here."}

    def __init__(self, *values: Any) -> None:
        super().__init__({"enum": [*values, None]})
        self.values = values

    def to_internal_value(self, data: Any) -> Any:
        if not any(type(data) is type(value) and data == value for value in self.values):
            self.fail("other", values=" or ".join(map(json.dumps, [*self.values, None])))
        return data


class Content(_Optional):
    """A text, or parts that have a type, of which those of the type `text` have a text."""

    default_error_messages = {"invalid": "A content is a text, or a list of parts with a type."}

    def __init__(self) -> None:
        part = {
            "type": "object",
            "properties": {"type": {"type": "string"}, "text": {"type": "string"}},
            "required": ["type"],
        }
        shapes = [{"type": "string"}, {"type": "array", "items": part}, {"type": "null"}]
        super().__init__({"oneOf": shapes}, "Of a user: text, or parts of text.")

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) and not (isinstance(data, list) and all(map(_is_part, data))):
            self.fail("invalid")
        return data


def _is_part(data: Any) -> bool:
    return (
        isinstance(data, Mapping)
        and isinstance(data.get("type"), str)
        and isinstance(data.get("text", ""), str)
    )


class Message(drf.Serializer):
    """A message. It may have more fields, which clients send back as they got them."""

    role = drf.ChoiceField(ROLES)
    content = Content()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and not isinstance(data.get("role"), str):
            raise ValidationError({"role": ["A role is a text."]})
        return super().to_internal_value(data)


class StreamOptions(Body):
    include_usage = Flag(required=False, allow_null=True, help_text="A last chunk says the tokens.")
    include_obfuscation = Flag(required=False, allow_null=True, help_text="Not followed.")


class Sieve(Body):
    """What OpenAI has no field for."""

    collections = Names(required=False, help_text="Names; all that you may read where none is given.")
    filters = Filters(required=False, help_text="What is searched; all of it where none are given.")


class ChatRequest(Body):
    """A chat whose last message of a user is the question."""

    model = Text(
        required=False,
        allow_null=True,
        pattern=SAID,
        max_length=200,
        help_text=f"Name of a pipeline; `{DEFAULT}`, or none: the site's own.",
    )
    messages = drf.ListField(child=Message(), min_length=1, max_length=MAX_MESSAGES)
    stream = Flag(required=False, allow_null=True, help_text="Answer in chunks, as server-sent events.")
    stream_options = StreamOptions(required=False, allow_null=True)
    sieve = Sieve(required=False, allow_null=True)
    n = Only(1)
    logprobs = Only(False)
    top_logprobs = Only(0)
    response_format = Only({"type": "text"})
    modalities = Only(["text"])
    audio = Only()
    tool_choice = Only("none", "auto")
    function_call = Only("none", "auto")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {name: Unused() for name in UNUSED}


def conversation_of(asked: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The question and those before it, oldest first. Raises `ValidationError` where none is asked."""
    said = [
        (place, _text(message.get("content"), place))
        for place, message in enumerate(asked["messages"])
        if message["role"] == "user"
    ]
    if not said or not said[-1][1]:
        raise ValidationError({"messages": [NO_QUESTION]})
    *before, (place, question) = said
    if len(question) > MAX_QUESTION:
        raise _at(place, f"A question may have at most {MAX_QUESTION:,} characters.")
    return question, tuple(text[:MAX_QUESTION] for _, text in before if text)[-MAX_HISTORY:]


def _text(content: Any, place: int) -> str:
    if isinstance(content, list):
        if any(part["type"] != "text" for part in content):
            raise _at(place, TEXT_ONLY)
        content = "\n".join(part.get("text", "") for part in content)
    return (content or "").replace("\0", "").strip()


def _at(place: int, sentence: str) -> ValidationError:
    return ValidationError({"messages": {str(place): {"content": [sentence]}}})


def warnings_of(asked: Mapping[str, Any]) -> list[str]:
    """What was sent and not followed, in a sentence; none where there is nothing."""
    unused = [name for name in UNUSED if asked.get(name) not in (None, [], {})]
    if any(message["role"] in INSTRUCTIONS for message in asked["messages"]):
        unused.append("system messages")
    return [f"Not followed here: {', '.join(unused)}."] if unused else []
