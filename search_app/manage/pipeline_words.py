"""What the pages say about pipelines: each name in a line, and the history of one."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from rag import spec as specs
from rag.errors import SpecError
from rag.spec import PipelineSpec
from search_app import pipeline_versions, pipelines, spec_text
from search_app.models import PipelineVersion
from search_app.pages.spent import VOICES
from search_app.pipeline_versions import Used


@dataclass(frozen=True, slots=True)
class Summary:
    """A pipeline in one row. `source` is `file` or `version 3`; no path and no fingerprint: none in use."""

    name: str
    default: bool
    source: str
    fingerprint: str
    path: tuple[str, ...]
    used: Used
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A saved version, or with number 0 the file, with what it changed against the one before it."""

    number: int
    spec: PipelineSpec
    fingerprint: str
    note: str
    author: str
    created: datetime | None
    in_use: bool
    used: Used
    changes: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]
    """The TOML of both, line by line, with `-`, `+` or nothing before it."""

    @property
    def label(self) -> str:
        return f"version {self.number}" if self.number else "file"

    @property
    def key(self) -> str:
        """What addresses and forms call it."""
        return str(self.number) if self.number else "file"


def path_of(spec: PipelineSpec) -> tuple[str, ...]:
    """The way of a question in a few words a stage."""
    steps = [f"follow-ups made to stand alone ({spec.rewrite.backend})"] if spec.rewrite else []
    if spec.expand:
        steps.append(f"{spec.expand.number} more texts ({spec.expand.backend.replace('_', ' ')})")
    steps.append(f"{spec.fuse.method} fusion of {spec.fuse.depth} + {spec.fuse.depth}")
    if spec.late:
        steps.append(f"late interaction on {spec.late.depth}")
    if spec.rerank:
        for stage in spec.rerank.before:
            voice = VOICES.get(stage.backend, "reranker")
            steps.append(f"{voice} on {stage.depth}, the best {stage.keep} of them")
        voice = VOICES.get(spec.rerank.backend, "reranker")
        steps.append(f"{voice} on {spec.rerank.depth} within {spec.rerank.budget_ms:,} ms")
    steps.append(f"{spec.context.top} passages")
    if spec.refuse:
        steps.append(f"weighed ({spec.refuse.backend})")
    steps.append(f"{spec.generate.backend} answer" if spec.generate else "no answer, search only")
    if spec.verify:
        steps.append(f"sentences checked ({spec.verify.backend})")
    return tuple(steps)


def summaries() -> list[Summary]:
    """One row for each name, the default first."""
    used = pipeline_versions.used_by_name()
    active = dict(PipelineVersion.objects.filter(active=True).values_list("name", "version"))
    saved = set(PipelineVersion.objects.values_list("name", flat=True))
    default = settings.DEFAULT_PIPELINE
    rows = []
    for name in sorted({*pipelines.names(), *saved}, key=lambda name: (name != default, name)):
        source = f"version {active[name]}" if name in active else "file"
        try:
            spec = pipelines.spec(name)
            said = (source, spec.fingerprint, path_of(spec))
            rows.append(Summary(name, name == default, *said, used.get(name, Used())))
        except SpecError as error:
            problem = "" if name not in pipelines.names() else str(error)
            rows.append(Summary(name, name == default, "", "", (), used.get(name, Used()), problem))
    return rows


def history(name: str) -> list[Version]:
    """Versions of a name, newest first, and the file last; empty when there is no such pipeline."""
    rows = list(PipelineVersion.objects.select_related("author").filter(name=name).order_by("version"))
    used = pipeline_versions.used()
    result: list[Version] = []
    before: PipelineSpec | None = None
    if pipeline_versions.has_file(name):
        before = pipelines.from_file(name)
        at_work = not any(row.active for row in rows)
        key = before.fingerprint
        result.append(Version(0, before, key, "", "", None, at_work, used.get(key, Used()), (), ()))
    for row in rows:
        spec = specs.from_mapping(row.spec)
        result.append(
            Version(
                row.version,
                spec,
                row.fingerprint,
                row.note,
                row.author.get_username() if row.author else "",
                row.created,
                row.active,
                used.get(row.fingerprint, Used()),
                tuple(spec_text.changes(before, spec)) if before else (),
                tuple(spec_text.difference(before, spec)) if before else (),
            )
        )
        before = spec
    return result[::-1]
