"""Saved versions of pipelines: check, save, put in use, and what differs between two specs.

A version is never changed once it is saved. At most one of a name is in use; with none the file of that
name counts, where there is one.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import IntegrityError, transaction
from django.db.models import Count, Max

from rag import spec as specs
from rag.errors import IndexUnavailable, SpecError
from rag.spec import EncoderSpec, PipelineSpec
from search_app import indexes, part_checks, pipelines
from search_app.models import Document, PipelineVersion, TraceRecord

PARTS = ("encoder", "split", "fuse", "late", "rerank", "blend", "context", "generate")
"""The tables of a spec in the order of a question's path."""
BEFORE = ("coarse", "middle")
"""What pages call the stages that stand in a spec as `rerank.before`."""
STAGED = tuple(part for name in PARTS for part in ((*BEFORE, name) if name == "rerank" else (name,)))
"""The tables with these stages as tables of their own."""
OPTIONAL = ("late", "rerank", "generate")
"""Parts that a spec may leave out."""
STAGES_WITH_BACKEND = (
    ("late", "rerank", "build"),
    ("rerank", "rerank", "load"),
    ("generate", "generate", "build"),
)
"""Part, package under `rag/`, and the function its backends have."""


@dataclass(frozen=True, slots=True)
class Used:
    """How often the specs of a name answered, and when last."""

    questions: int = 0
    last: datetime | None = None


# --- Text ------------------------------------------------------------------------------------------------


def to_toml(spec: PipelineSpec) -> str:
    """The spec as the TOML that `from_toml` and the files in `search_app/specs` hold."""
    data = spec.as_dict()
    tables = []
    for part in PARTS:
        if data[part] is not None:
            tables += _tables(f"[{part}]", part, data[part])
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


# --- Checks ----------------------------------------------------------------------------------------------


def check(name: str, spec: PipelineSpec) -> list[str]:
    """What follows from using this spec, in sentences for whoever saves it.

    Raises `SpecError` for what cannot work: a backend that does not exist, an encoder whose vectors the
    index does not hold, a passage longer than the context.
    """
    in_index = pipelines.default()
    if spec.encoder != in_index.encoder:
        raise SpecError(
            f"The index holds vectors of the encoder {in_index.encoder.model}: a pipeline with the encoder "
            f"{spec.encoder.model} could search none of them. {_how_to_change()}"
        )
    followed = []
    for part, kind, needs in STAGES_WITH_BACKEND:
        if chosen := getattr(spec, part):
            followed += part_checks.check(part, kind, needs, chosen)
            for stage in getattr(chosen, "before", ()):
                followed += part_checks.check(f"a stage before {part}", kind, needs, stage)
    if unable := _unable_to_fuse(spec):
        followed.append(f"{unable} Sieve fuses instead, and each answer says so.")
    if name == settings.DEFAULT_PIPELINE:
        if spec.split != in_index.split:
            followed.append(
                "New documents are split this way from now on. Those that are searchable keep the "
                "passages they have until they are indexed again."
            )
    elif spec.split != in_index.split:
        followed.append(
            f"Documents are split as the pipeline {settings.DEFAULT_PIPELINE} says: "
            "the split of this one has no effect."
        )
    if spec.split.max_tokens > spec.context.max_tokens:
        followed.append("A passage can be longer than the context: then only the best one is handed over.")
    if spec.rerank and spec.generate is None and spec.rerank.budget_ms > 10_000:
        followed.append("The time budget of reranking is longer than most people wait.")
    return followed


def _unable_to_fuse(spec: PipelineSpec) -> str:
    try:
        return indexes.unable_to_fuse(spec.fuse)
    except IndexUnavailable as error:
        return str(error)


def _how_to_change() -> str:
    if indexes.cluster():
        return "manage.py reindex --encoder MODEL builds an index for another one."
    return "The encoder is changed in the file of the default pipeline, followed by manage.py reindex."


# --- Rows ------------------------------------------------------------------------------------------------


def save(name: str, spec: PipelineSpec, *, note: str = "", author: int | None = None) -> PipelineVersion:
    """Keep the spec as the next version of this name. It is not in use before `activate`.

    Raises `SpecError` for a name that is none, for a spec that cannot work, and where nothing differs from
    the newest version.
    """
    try:
        validate_slug(name)
        if len(name) > 100:
            raise ValidationError("too long")
    except ValidationError as error:
        raise SpecError(
            "A pipeline's name has letters, digits, hyphens and underscores, at most 100 of them."
        ) from error
    check(name, spec)
    newest = PipelineVersion.objects.filter(name=name).order_by("-version").first()
    if newest and newest.fingerprint == spec.fingerprint:
        raise SpecError(f"Nothing differs from version {newest.version}: no version was made.")
    try:
        with transaction.atomic():
            return PipelineVersion.objects.create(
                name=name,
                version=newest.version + 1 if newest else 1,
                spec=spec.as_dict(),
                fingerprint=spec.fingerprint,
                note=note[:200],
                author_id=author,
            )
    except IntegrityError as error:
        raise SpecError("Somebody saved a version at the same moment. Look at it, and save again.") from error


def activate(version: PipelineVersion) -> list[str]:
    """Put this version in use, in place of the one that is; gives what follows from it.

    Raises `SpecError` when it cannot work now, as after the index was rebuilt with another encoder.
    """
    followed = check(version.name, specs.from_mapping(version.spec))
    with transaction.atomic():
        rows = PipelineVersion.objects.filter(name=version.name)
        list(rows.select_for_update())  # whoever else is at it waits here
        rows.filter(active=True).exclude(pk=version.pk).update(active=False)
        rows.filter(pk=version.pk).update(active=True)
    return followed


def change_encoder(old: EncoderSpec, new: EncoderSpec, *, note: str) -> list[str]:
    """Have every pipeline with the encoder `old` use `new`, all in one transaction; gives their names.

    For who has just put an index with the new one in use. A file or an earlier version that differs in
    nothing counts again; else a version is saved.
    """
    changed = []
    with transaction.atomic():
        for name in pipelines.names():
            spec = pipelines.spec(name)
            if spec.encoder != old:
                continue
            spec = msgspec.structs.replace(spec, encoder=new)
            rows = PipelineVersion.objects.filter(name=name).order_by("-version")
            locked = list(rows.select_for_update())
            rows.filter(active=True).update(active=False)
            if not (has_file(name) and pipelines.from_file(name) == spec):
                same = next((row for row in locked if row.fingerprint == spec.fingerprint), None)
                row = same or PipelineVersion(
                    name=name,
                    version=locked[0].version + 1 if locked else 1,
                    spec=spec.as_dict(),
                    fingerprint=spec.fingerprint,
                    note=note[:200],
                )
                row.active = True
                row.save()
            changed.append(name)
    return changed


def withdraw(name: str) -> None:
    """Have no saved version of this name in use: its file counts again, or the pipeline is no more.

    Raises `SpecError` when it is the default pipeline and has no file.
    """
    if name == settings.DEFAULT_PIPELINE and not has_file(name):
        raise SpecError("The default pipeline has no file: a saved version of it must stay in use.")
    PipelineVersion.objects.filter(name=name, active=True).update(active=False)


def has_file(name: str) -> bool:
    return (settings.SPEC_DIR / f"{name}.toml").is_file()


def used() -> dict[str, Used]:
    """Fingerprint of a spec to how many traces of it are kept and when the last of them came."""
    rows = TraceRecord.objects.order_by().values_list("pipeline__fingerprint")
    return {key: Used(n, last) for key, n, last in rows.annotate(n=Count("pk"), last=Max("created"))}


def used_by_name() -> dict[str, Used]:
    """The same by name. A collection's own weights make another spec, but of the same name."""
    rows = TraceRecord.objects.order_by().values_list("pipeline__name")
    return {key: Used(n, last) for key, n, last in rows.annotate(n=Count("pk"), last=Max("created"))}


def split_otherwise() -> int:
    """How many searchable documents are in passages of another length than the default spec says."""
    split = pipelines.default().split
    made = f"split {split.max_tokens}/{split.overlap_tokens},"
    return Document.objects.filter(version__gt=0).exclude(recipe__contains=made).count()
