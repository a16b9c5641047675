"""A pipeline spec as the fields of a form, made from the structs in `rag/spec.py`, and back.

The stages that a reranker may have before the last one are parts of the form, `coarse` and `middle`.
"""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from rag.errors import SpecError
from rag.spec import PipelineSpec, from_mapping
from search_app import spec_text
from search_app.manage.spec_fields import WRITERS, Field, fields, models
from search_app.manage.spec_words import TITLES
from search_app.spec_text import BEFORE, STAGED, by_part

OPTIONAL = (*BEFORE, *spec_text.OPTIONAL)
FIXED = ("encoder",)
"""Parts that the index was built with."""
NEW: dict[str, dict[str, Any]] = {
    "coarse": {"backend": "onnx", "model": "", "depth": 100, "budget_ms": 300, "options": {}, "keep": 50},
    "middle": {"backend": "onnx", "model": "", "depth": 50, "budget_ms": 300, "options": {}, "keep": 20},
    "rewrite": {"backend": "rule", "model": "", "budget_ms": 2000},
    "expand": {"backend": "multi_query", "model": "", "number": 3, "budget_ms": 3000},
    "refuse": {"backend": "", "model": "", "threshold": 0.5, "budget_ms": 1000},
    "verify": {"backend": "", "model": "", "threshold": 0.5, "budget_ms": 3000},
}
"""What stands ready in a part that no spec has a value for."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A field with what stands in it, and what is wrong with that."""

    field: Field
    value: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A table of the spec. `on` is False where the spec leaves it out."""

    name: str
    title: str
    said: str
    optional: bool
    fixed: bool
    on: bool
    fields: tuple[Filled, ...]


def of_spec(spec: PipelineSpec, defaults: PipelineSpec) -> list[Part]:
    """The form that shows this spec; a part that it leaves out stands ready with the values of `defaults`."""
    own, other = by_part(spec), by_part(defaults)
    texts = {
        field.key: _text(values[field.key.partition(".")[2]])
        for name in STAGED
        if (values := own[name] or other[name] or NEW.get(name))
        for field in fields()[name]
    }
    return _parts(texts, {name for name in STAGED if own[name] is not None})


def of_post(post: Mapping[str, str], base: PipelineSpec) -> tuple[PipelineSpec | None, list[Part], list[str]]:
    """What was sent: the spec, or None when something is wrong; the form again; what is wrong as a whole.

    Fixed parts are those of `base`, whatever was sent.
    """
    on = {name for name in STAGED if name not in OPTIONAL or f"{name}.on" in post}
    kept = base.whole()
    texts: dict[str, str] = {}
    data: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in STAGED:
        values: dict[str, Any] = {}
        for field in fields()[name]:
            key = field.key.partition(".")[2]
            if name in FIXED:
                texts[field.key] = _text(kept[name][key])
                values[key] = kept[name][key]
                continue
            texts[field.key] = text = _sent(post, field)
            try:
                values[key] = _value(field, text)
            except ValueError as error:
                if name in on:
                    errors[field.key] = str(error)
        if name in on:
            data[name] = values
    if errors:
        return None, _parts(texts, on, errors), []
    before = [data.pop(name) for name in BEFORE if name in data]
    if before and "rerank" not in on:
        return None, _parts(texts, on), ["Stages before the last one need it: switch reranking on, too."]
    try:
        if before:
            data["rerank"]["before"] = before
        return from_mapping(data), _parts(texts, on), []
    except SpecError as error:
        return None, _parts(texts, on), [str(error)]


def _sent(post: Mapping[str, str], field: Field) -> str:
    return str(field.key in post).lower() if field.kind == "flag" else post.get(field.key, "").strip()


def _parts(texts: Mapping[str, str], on: set[str], errors: Mapping[str, str] | None = None) -> list[Part]:
    wrong = errors or {}
    return [
        Part(
            name,
            *TITLES[name],
            optional=name in OPTIONAL,
            fixed=name in FIXED,
            on=name in on,
            fields=tuple(
                Filled(
                    _with(field, texts.get(field.key, "")), texts.get(field.key, ""), wrong.get(field.key, "")
                )
                for field in fields()[name]
            ),
        )
        for name in STAGED
    ]


def _with(field: Field, value: str) -> Field:
    """The field with the models there are now. A choice always has the value that stands in it."""
    choices = models() if field.key.endswith(".model") else field.choices
    if field.kind == "choice" and value and value not in choices:
        choices = (value, *choices)
    return dataclasses.replace(field, choices=choices)


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key} = {json.dumps(one)}" for key, one in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(field: Field, text: str) -> object:
    """Raises `ValueError` with a sentence."""
    if field.kind == "flag":
        return text == "true"
    if field.kind == "options":
        return _options(text)
    if field.kind in ("choice", "suggested", "text"):
        if not text and not (field.kind == "suggested" and field.key.partition(".")[0] in WRITERS):
            raise ValueError("Choose one.")
        return text
    try:
        number = msgspec.convert(text, int if field.kind == "whole" else float, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(
            f"Write a {field.kind} number." if field.kind == "whole" else "Write a number."
        ) from error
    if field.least is not None and number < field.least:
        raise ValueError(f"At least {field.least:g}.")
    if field.most is not None and number > field.most:
        raise ValueError(f"At most {field.most:,g}.")
    if number != number or abs(number) == float("inf"):
        raise ValueError("Write a number.")
    return number


def _options(text: str) -> dict[str, Any]:
    """Raises `ValueError` with a sentence."""
    try:
        options = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError('Write a line for each, such as: style = "rating"') from error
    for key, value in options.items():
        if not isinstance(value, bool | int | float | str):
            raise ValueError(f"{key} is no number, no text in quotes, and neither true nor false.")
    return options
