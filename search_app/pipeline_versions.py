"""Saved versions of pipelines: check, save, put in use.

A version is never changed once it is saved. At most one of a name is in use; with none the file of that
name counts, where there is one.
"""

from dataclasses import dataclass
from datetime import datetime

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

STAGES_WITH_BACKEND = (
    ("rewrite", "rewrite", "build"),
    ("expand", "expand", "build"),
    ("late", "rerank", "build"),
    ("rerank", "rerank", "load"),
    ("refuse", "refuse", "build"),
    ("generate", "generate", "build"),
    ("verify", "verify", "build"),
)
"""Part, package under `rag/`, and the function its backends have."""


@dataclass(frozen=True, slots=True)
class Used:
    """How often the specs of a name answered, and when last."""

    questions: int = 0
    last: datetime | None = None


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
