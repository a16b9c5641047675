"""A trace at rest: passages once each, their texts by hash, rankings as ids and scores."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

import msgspec

from rag.answers import Answer, Check, Confidence, Usage
from rag.events import Skipped
from rag.trace import Trace
from rag.types import (
    Candidate,
    ContextPassage,
    Expansion,
    Passage,
    Query,
    Ranking,
    Rewriting,
    ScoreKind,
    Spent,
    Stage,
    Timing,
)

VERSION = 1
PURGED = ""
"""What stands for a passage's text after it was purged."""


class _StoredPassage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    document_id: str
    version: int
    position: int
    collection: str
    title: str
    headings: tuple[str, ...]
    sha256: str
    span: tuple[int, int]
    page: int | None
    tokens: int


class _StoredRanking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stage: Stage
    kind: ScoreKind
    passages: tuple[int, ...]
    """Places in the list of passages, best first."""
    scores: tuple[float, ...]


class _StoredTrace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    trace_version: int
    query: Query
    pipeline: str
    spec: dict[str, Any]
    fingerprint: str
    index_version: str
    readable: int
    refused: int
    passages: tuple[_StoredPassage, ...]
    rankings: tuple[_StoredRanking, ...]
    asked: dict[str, int]
    skipped: tuple[Skipped, ...]
    context: tuple[ContextPassage, ...]
    dropped: tuple[tuple[str, str], ...]
    answer: Answer | None
    usage: Usage | None
    timings: tuple[Timing, ...]
    first_ms: float | None
    partial: dict[str, str] = {}
    spent: dict[str, Spent] = {}
    rewriting: Rewriting | None = None
    expansion: Expansion | None = None
    widened: tuple[_StoredPassage, ...] = ()
    confidence: Confidence | None = None
    checks: tuple[Check, ...] = ()


@lru_cache(maxsize=1024)  # a trace asks twice for each of its texts, and traces share most of them
def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def texts(trace: Trace) -> dict[str, str]:
    """Every passage text of the trace by its hash: what must be kept beside `to_json`."""
    return {text_hash(p.text): p.text for p in (*trace.passages.values(), *trace.widened)}


def to_json(trace: Trace) -> dict[str, Any]:
    """The trace without its passages' texts, as JSON values."""
    passages = list(trace.passages.values())
    place = {p.id: i for i, p in enumerate(passages)}
    stored = _StoredTrace(
        trace_version=VERSION,
        query=trace.query,
        pipeline=trace.pipeline,
        spec=dict(trace.spec),
        fingerprint=trace.fingerprint,
        index_version=trace.index_version,
        readable=trace.readable,
        refused=trace.refused,
        passages=tuple(_stored_passage(p) for p in passages),
        rankings=tuple(
            _StoredRanking(
                r.stage,
                r.kind,
                tuple(place[p.id] for p in r.passages),
                tuple(c.score for c in r.candidates),
            )
            for r in trace.rankings
        ),
        asked=dict(trace.asked),
        skipped=trace.skipped,
        context=trace.context,
        dropped=trace.dropped,
        answer=trace.answer,
        usage=trace.usage,
        timings=trace.timings,
        first_ms=trace.first_ms,
        partial=dict(trace.partial),
        spent=dict(trace.spent),
        rewriting=trace.rewriting,
        expansion=trace.expansion,
        widened=tuple(_stored_passage(p) for p in trace.widened),
        confidence=trace.confidence,
        checks=trace.checks,
    )
    built: dict[str, Any] = msgspec.to_builtins(stored)
    return built


def from_json(data: Mapping[str, Any], texts: Mapping[str, str]) -> Trace:
    """Read what `to_json` gave. `texts` is hash → text; a text that is gone reads as empty.

    Raises `msgspec.ValidationError` when the data is no trace of this version.
    """
    stored = msgspec.convert(dict(data), _StoredTrace)
    passages = [_passage(p, texts.get(p.sha256, PURGED)) for p in stored.passages]
    rankings = tuple(
        Ranking(
            r.stage,
            r.kind,
            tuple(Candidate(passages[i], s) for i, s in zip(r.passages, r.scores, strict=True)),
        )
        for r in stored.rankings
    )
    widened = tuple(_passage(p, texts.get(p.sha256, PURGED)) for p in stored.widened)
    made = ("rankings", "widened")
    same = {f.name: getattr(stored, f.name) for f in fields(Trace) if f.name not in made}
    return Trace(rankings=rankings, widened=widened, **same)


def _stored_passage(p: Passage) -> _StoredPassage:
    return _StoredPassage(
        p.id,
        p.document_id,
        p.version,
        p.position,
        p.collection,
        p.title,
        p.headings,
        text_hash(p.text),
        p.span,
        p.page,
        p.tokens,
    )


def _passage(p: _StoredPassage, text: str) -> Passage:
    return Passage(
        id=p.id,
        document_id=p.document_id,
        version=p.version,
        position=p.position,
        collection=p.collection,
        title=p.title,
        headings=p.headings,
        text=text,
        span=p.span,
        page=p.page,
        tokens=p.tokens,
    )
