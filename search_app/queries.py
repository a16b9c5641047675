"""The list of queries: filters from an address, and counts of what they leave. Bodies are never loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, time, timedelta
from typing import get_args
from urllib.parse import urlencode

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date

from rag.trace import RerankStatus
from search_app.models import Feedback, TraceRecord

STATUSES: tuple[str, ...] = get_args(RerankStatus)
PERIODS = {
    "hour": ("last hour", timedelta(hours=1)),
    "day": ("last 24 hours", timedelta(days=1)),
    "week": ("last 7 days", timedelta(days=7)),
    "month": ("last 30 days", timedelta(days=30)),
}
MAX_TEXT = 200
UNANSWERED = Q(answered=False) & ~Q(pipeline__spec__generate=None)
"""A question that was to be answered and was not; a search asks for no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is looked for. An empty field looks for nothing; the names are those of the address."""

    q: str = ""
    """Words that the question holds, all of them, in any case and order."""
    period: str = ""
    since: str = ""
    """First day, `2026-11-21`; together with `until` and beside `period` all of them count."""
    until: str = ""
    user: str = ""
    pipeline: str = ""
    rerank: str = ""
    slow: str = ""
    """Milliseconds: only what took longer."""
    degraded: str = ""
    partial: str = ""
    """Of which only a part of the index was searched."""
    unanswered: str = ""
    disliked: str = ""

    @property
    def any(self) -> bool:
        return self != Filters()

    def query(self, **changed: str) -> str:
        """The filters as they stand in an address, some of them changed; those that are empty left out."""
        after = replace(self, **changed)
        return urlencode([(f.name, value) for f in fields(after) if (value := getattr(after, f.name))])


def read(sent: Mapping[str, str]) -> Filters:
    """The filters of an address. What makes no sense there is left out."""
    value = {f.name: str(sent.get(f.name, "")).replace("\0", "").strip()[:MAX_TEXT] for f in fields(Filters)}
    if value["period"] not in PERIODS:
        value["period"] = ""
    if value["rerank"] not in STATUSES:
        value["rerank"] = ""
    for name in ("since", "until"):
        if _day(value[name]) is None:
            value[name] = ""
    slow = value["slow"]
    if not (slow.isascii() and slow.isdecimal() and len(slow) < 9):
        value["slow"] = ""
    for name in ("degraded", "partial", "unanswered", "disliked"):
        value[name] = "1" if value[name] else ""
    return Filters(**value)


def _day(text: str) -> datetime | None:
    """The first moment of a day as the site's clock has it; None for what is no day of our times."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    if day is None or not 1970 <= day.year < 9000:
        return None
    return timezone.make_aware(datetime.combine(day, time.min))


def found(filters: Filters) -> QuerySet[TraceRecord]:
    """The traces that all filters leave, newest first, each with `disliked`; without their bodies."""
    rows = TraceRecord.objects.select_related("user", "as_user", "pipeline").defer("body")
    rows = rows.annotate(
        disliked=Exists(Feedback.objects.filter(trace=OuterRef("pk"), liked=False)),
        liked=Exists(Feedback.objects.filter(trace=OuterRef("pk"), liked=True)),
    )
    for word in filters.q.split():
        rows = rows.filter(question__icontains=word)
    if filters.period:
        rows = rows.filter(created__gte=timezone.now() - PERIODS[filters.period][1])
    if since := _day(filters.since):
        rows = rows.filter(created__gte=since)
    if until := _day(filters.until):
        rows = rows.filter(created__lt=until + timedelta(days=1))
    if filters.user:
        rows = rows.filter(Q(user__username=filters.user) | Q(as_user__username=filters.user))
    if filters.pipeline:
        rows = rows.filter(Q(pipeline__name=filters.pipeline) | Q(pipeline__fingerprint=filters.pipeline))
    if filters.rerank:
        rows = rows.filter(rerank_status=filters.rerank)
    if filters.slow:
        rows = rows.filter(total_ms__gt=int(filters.slow))
    if filters.degraded:
        rows = rows.filter(degraded=True)
    if filters.partial:  # the body is looked into only where something is amiss
        rows = rows.filter(degraded=True, body__has_key="partial").exclude(body__partial={})
    if filters.unanswered:
        rows = rows.filter(UNANSWERED)
    if filters.disliked:
        rows = rows.filter(disliked=True)
    return rows.order_by("-created", "-pk")


@dataclass(frozen=True, slots=True)
class Summary:
    """Of some traces: how many, how many of a kind, and how long they took, in milliseconds."""

    questions: int
    degraded: int
    unanswered: int
    disliked: int
    p50_ms: float | None
    p95_ms: float | None


def summary(rows: QuerySet[TraceRecord]) -> Summary:
    """The percentiles are times that a question really took: the smallest with that share at or below it."""
    counted = rows.order_by().aggregate(
        n=Count("pk"),
        n_degraded=Count("pk", filter=Q(degraded=True)),
        n_unanswered=Count("pk", filter=UNANSWERED),
        n_disliked=Count("pk", filter=Q(disliked=True)),
    )
    number = counted["n"]
    times = rows.order_by("total_ms").values_list("total_ms", flat=True)

    def at(percent: int) -> float | None:
        return times[-(-percent * number // 100) - 1] if number else None

    kinds = (counted["n_degraded"], counted["n_unanswered"], counted["n_disliked"])
    return Summary(number, *kinds, at(50), at(95))


def pipelines() -> list[str]:
    """Names of the pipelines that have answered."""
    return sorted(set(TraceRecord.objects.order_by().values_list("pipeline__name", flat=True)))


def others_of(record: TraceRecord, limit: int = 20) -> QuerySet[TraceRecord]:
    """Other traces of the same question, newest first: what this one can be compared with."""
    same = TraceRecord.objects.filter(question=record.question).exclude(pk=record.pk)
    return same.select_related("user", "pipeline").defer("body").order_by("-created")[:limit]
