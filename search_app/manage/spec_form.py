"""A pipeline spec as the fields of a form, made from the structs in `rag/spec.py`, and back.

The stages that a reranker may have before the last one are parts of the form, `coarse` and `middle`.
"""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from rag import backends
from rag.errors import SpecError
from rag.spec import PipelineSpec, StageSpec, from_mapping
from search_app import pipeline_versions, pipelines
from search_app.manage.spec_words import HELP, TITLES
from search_app.pipeline_versions import BEFORE, STAGED, by_part

OPTIONAL = (*BEFORE, *pipeline_versions.OPTIONAL)
FIXED = ("encoder",)
"""Parts that the index was built with."""
RERANKERS = (*BEFORE, "rerank")
NEW: dict[str, dict[str, Any]] = {
    "coarse": {"backend": "onnx", "model": "", "depth": 100, "budget_ms": 300, "options": {}, "keep": 50},
    "middle": {"backend": "onnx", "model": "", "depth": 50, "budget_ms": 300, "options": {}, "keep": 20},
}
"""What stands ready in a part that no spec has a value for."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a spec. Without a limit it is None.

    `kind` is whole, number, text, flag or choice; suggested, a text for which there are `choices`; or
    options, lines of TOML.
    """

    key: str
    """`part.key`: its name in the form, too."""
    kind: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return self.key.partition(".")[2].replace("_", " ").replace(" ms", " (ms)")

    @property
    def help(self) -> str:
        said = HELP.get(self.key) or HELP[self.key.partition(".")[2]]
        if self.least is None and self.most is None:
            return said
        if self.most is None:
            return f"{said} At least {self.least:g}."
        return f"{said} {self.least:g} to {self.most:,g}."


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


@lru_cache
def fields() -> dict[str, tuple[Field, ...]]:
    """Part to its fields, as the structs declare them."""
    info = inspect.type_info(PipelineSpec)
    assert isinstance(info, inspect.StructType)
    structs = {part.name: _struct(part.type) for part in info.fields}
    stage = inspect.type_info(StageSpec)
    assert isinstance(stage, inspect.StructType)
    structs |= dict.fromkeys(BEFORE, stage)
    made = {part: [_field(part, f) for f in structs[part].fields if f.name != "before"] for part in STAGED}
    return {part: tuple(sorted(few, key=lambda field: field.kind == "options")) for part, few in made.items()}


def _struct(kind: inspect.Type) -> inspect.StructType:
    if isinstance(kind, inspect.UnionType):
        kind = next(one for one in kind.types if isinstance(one, inspect.StructType))
    assert isinstance(kind, inspect.StructType)
    return kind


def _field(part: str, field: inspect.Field) -> Field:
    key, kind = f"{part}.{field.name}", field.type
    match kind:
        case inspect.IntType():
            return Field(key, "whole", kind.ge, kind.le)
        case inspect.FloatType():
            return Field(key, "number", kind.ge, kind.le)
        case inspect.BoolType():
            return Field(key, "flag")
        case inspect.LiteralType():
            return Field(key, "choice", choices=tuple(str(value) for value in kind.values))
        case _ if field.name == "backend":
            return Field(key, "choice", choices=_backends(part))
        case _ if field.name == "model":
            return Field(key, "suggested" if part in RERANKERS else "choice")
        case _ if field.name == "options":
            return Field(key, "options")
    return Field(key, "text")


def _backends(part: str) -> tuple[str, ...]:
    names = set(backends.names({"encoder": "encode", "generate": "generate"}.get(part, "rerank")))
    if part == "late":
        names &= {"late_interaction"}
    elif part in RERANKERS:
        names -= {"late_interaction"}
    return tuple(sorted(names))


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
    choices = _models(field) if field.key.endswith(".model") else field.choices
    if field.kind == "choice" and value and value not in choices:
        choices = (value, *choices)
    return dataclasses.replace(field, choices=choices)


def _models(field: Field) -> tuple[str, ...]:
    """The models of the store that a part may name, and the services: `name/` waits for a model of it."""
    if field.kind != "suggested":
        uses = ("cross-encoder", "language model")
        return tuple(model.name for model in pipelines.catalogue() if model.use.startswith(uses))
    known = (model.name for model in pipelines.catalogue() if not model.use.startswith("bi-encoder"))
    return (*known, *(f"{service}/" for service in pipelines.named_services()))


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
        if not text:
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
