"""A pipeline spec as text: its TOML and back, its tables as people see them, and what differs between two."""

import difflib
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from rag import spec as specs
from rag.errors import SpecError
from rag.spec import PipelineSpec

PARTS = (
    "encoder",
    "split",
    "rewrite",
    "expand",
    "fuse",
    "late",
    "rerank",
    "blend",
    "context",
    "refuse",
    "generate",
    "verify",
)
"""The tables of a spec in the order of a question's path."""
BEFORE = ("coarse", "middle")
"""What pages call the stages that stand in a spec as `rerank.before`."""
STAGED = tuple(part for name in PARTS for part in ((*BEFORE, name) if name == "rerank" else (name,)))
"""The tables with these stages as tables of their own."""
OPTIONAL = ("rewrite", "expand", "late", "rerank", "refuse", "generate", "verify")
"""Parts that a spec may leave out."""


def to_toml(spec: PipelineSpec) -> str:
    """The spec as the TOML that `from_toml` and the files in `search_app/specs` hold."""
    data = spec.as_dict()
    tables = []
    for part in PARTS:
        if (values := data.get(part)) is not None:
            tables += _tables(f"[{part}]", part, values)
    return "\n\n".join(tables) + "\n"


def _tables(head: str, name: str, data: Mapping[str, Any]) -> list[str]:
    """A table, and those inside it: `options`, and one for each stage `before` the last."""
    plain = {key: value for key, value in data.items() if not isinstance(value, dict | list | tuple)}
    tables = ["\n".join([head, *(f"{key} = {_toml(value)}" for key, value in plain.items())])]
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            tables += _tables(f"[{name}.{key}]", f"{name}.{key}", value)
        elif isinstance(value, list | tuple):
            for one in value:
                tables += _tables(f"[[{name}.{key}]]", f"{name}.{key}", one)
    return tables


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + '"'


def from_toml(text: str) -> PipelineSpec:
    """Raises `SpecError` saying what is wrong in it."""
    try:
        return specs.from_mapping(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"This is not TOML: {error}") from error


def difference(old: PipelineSpec, new: PipelineSpec) -> list[tuple[str, str]]:
    """The TOML of both, line by line: `(sign, line)` with `-`, `+` or a blank. Empty when nothing differs."""
    if old == new:
        return []
    return [
        (line[0].strip(), line[2:])
        for line in difflib.ndiff(to_toml(old).splitlines(), to_toml(new).splitlines())
        if not line.startswith("?")
    ]


def changes(old: PipelineSpec, new: PipelineSpec) -> list[str]:
    """What differs in words, one sentence a key: `rerank.depth is 32, was 16`."""
    said = []
    before, after = by_part(old), by_part(new)
    for part in STAGED:
        was, now = before[part], after[part]
        if was is None and now is not None:
            said.append(f"{part} is new")
        elif now is None and was is not None:
            said.append(f"{part} is left out")
        elif was != now:
            said += [f"{part}.{key} is {now[key]}, was {was[key]}" for key in now if now[key] != was[key]]
    return said


def by_part(spec: PipelineSpec) -> dict[str, dict[str, Any] | None]:
    """Table → its values, with stages as tables of their own; None where the spec leaves it out."""
    parts: dict[str, dict[str, Any] | None] = dict(spec.whole())
    stages = [msgspec.structs.asdict(stage) for stage in spec.rerank.before] if spec.rerank else []
    if last := parts["rerank"]:
        parts["rerank"] = {key: value for key, value in last.items() if key != "before"}
    return parts | {name: stages[at] if at < len(stages) else None for at, name in enumerate(BEFORE)}
