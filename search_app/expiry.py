"""What is not kept for ever: traces, what hangs on them, and sessions. The index is never touched."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from search_app.events import event
from search_app.models import Conversation, PassageText, TraceRecord
from search_app.services import TEXT_NOTED

AT_ONCE = 200
"""Rows of one transaction: others get to write in between."""


@dataclass(frozen=True, slots=True)
class Expired:
    """How many rows of each kind have had their time."""

    traces: int
    conversations: int
    texts: int
    sessions: int


def expire_traces(now: datetime) -> int:
    """Delete traces older than `SIEVE_TRACE_DAYS` and what hangs on them; returns how many traces."""
    return expire(now).traces


def expire(now: datetime | None = None, *, dry_run: bool = False) -> Expired:
    """Delete what has had its time, a few rows at once; with `dry_run` only count it.

    A trace takes with it what was said of it. A conversation goes when its last question has gone, and a
    kept text when no trace can show it any more: it is noted as used only every few days.
    """
    now = timezone.now() if now is None else now
    began = time.perf_counter()
    gone = [_count(rows) if dry_run else _delete(rows) for rows in _due(now)]
    expired = Expired(*gone)
    if expired.traces and not dry_run:
        event(
            "traces_expired",
            traces=expired.traces,
            conversations=expired.conversations,
            texts=expired.texts,
            elapsed_ms=(time.perf_counter() - began) * 1000,
        )
    return expired


def _due(now: datetime) -> tuple[QuerySet[Any], ...]:
    """The rows of each field of `Expired`, in the order in which they must go."""
    sessions = Session.objects.filter(expire_date__lt=now)
    if not settings.TRACE_DAYS:
        none = TraceRecord.objects.none()
        return none, Conversation.objects.none(), PassageText.objects.none(), sessions
    limit = now - timedelta(days=settings.TRACE_DAYS)
    newer = TraceRecord.objects.filter(conversation=OuterRef("pk"), created__gte=limit)
    return (
        TraceRecord.objects.filter(created__lt=limit),
        Conversation.objects.filter(~Exists(newer), updated__lt=limit),
        PassageText.objects.filter(used__lt=(limit - TEXT_NOTED).date()),
        sessions,
    )


def _count(rows: QuerySet[Any]) -> int:
    return rows.count()


def _delete(rows: QuerySet[Any]) -> int:
    deleted = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        rows.model.objects.filter(pk__in=ids).only("pk").delete()  # without reading what is in them
        deleted += len(ids)
    return deleted
