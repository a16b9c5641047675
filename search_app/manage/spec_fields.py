"""The keys of a spec as fields of a form, as the structs in `rag/spec.py` declare them."""

from dataclasses import dataclass
from functools import lru_cache

from msgspec import inspect

from rag import backends
from rag.spec import PipelineSpec, StageSpec
from search_app import pipelines
from search_app.manage.spec_words import HELP
from search_app.spec_text import BEFORE, STAGED

RERANKERS = (*BEFORE, "rerank")
WRITERS = ("rewrite", "expand", "refuse", "generate", "verify")
"""Parts whose model may be one of a service, too; some of their backends have none."""


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
            return Field(key, "suggested" if part in (*RERANKERS, *WRITERS) else "choice")
        case _ if field.name == "options":
            return Field(key, "options")
    return Field(key, "text")


def _backends(part: str) -> tuple[str, ...]:
    own = part if part in WRITERS else "encode" if part == "encoder" else "rerank"
    names = set(backends.names(own))
    if part == "late":
        names &= {"late_interaction"}
    elif part in RERANKERS:
        names -= {"late_interaction"}
    return tuple(sorted(names))


def models() -> tuple[str, ...]:
    """The models that a part may name: those of the store, and of a service, which is `name/` and waits for
    a model of it."""
    known = (model.name for model in pipelines.catalogue() if not model.use.startswith("bi-encoder"))
    return (*known, *(f"{service}/" for service in pipelines.named_services()))
