"""How every part is at this moment, and the questions of the last hour."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from search_app import health, pipelines, queries, verified
from search_app.manage.staff import staff_only
from search_app.models import TraceRecord
from search_app.pages.hour_chart import Dot, draw
from search_app.pages.words import duration, megabytes, milliseconds

HOUR = timedelta(hours=1)
DOTS = 2000
"""Questions drawn at most, the newest."""
EXPLAINED = 500
"""Degraded questions whose reasons are counted at most, the newest."""
LOST = {
    "bm25": "search by words left out",
    "knn": "search by meaning left out",
    "late": "late interaction left out",
    "coarse": "first stage of reranking left out",
    "middle": "second stage of reranking left out",
    "reranked": "reranking left out",
    "generate": "no answer written",
}
NAMES = {
    "ingest": "Documents",
    "database": "Database",
    "models": "Models",
    "services": "Services",
    "index": "Index",
    "queue": "Queue",
    "workers": "Workers",
    "disk": "Disk",
}


@staff_only
@require_safe
def health_page(request: HttpRequest) -> HttpResponse:
    """Every part with what it says of itself. A page that stays open renews itself by script."""
    parts = [part_context(part) for part in health.report()]
    now = timezone.now()
    context = {
        "parts": parts,
        "unwell": [part["name"] for part in parts if not part["ok"]],
        "now": now,
        "hour": hour_context(now),
    }
    response = render(request, "manage/health.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def part_context(part: health.Part) -> dict[str, Any]:
    """A part as its card shows it: its name in words, numbers with units."""
    details = dict(part.details)
    match part.name:
        case "models":
            known = {model.name: model for model in pipelines.catalogue()}
            details["models"] = [
                row
                | {"size": megabytes(row["bytes"])}
                | ({"licence": known[row["name"]].licence, "use": known[row["name"]].use})
                for row in details.get("models", [])
                if row["name"] in known
            ]
        case "index":
            on_cluster = bool(settings.OPENSEARCH_URLS)
            used = details.get("bytes", 0) if on_cluster else size_of(settings.INDEX_DIR)
            details["size"] = megabytes(used) if used or not on_cluster else ""
            for row in details.get("versions", []):
                row["size"] = megabytes(row["bytes"])
            details["verified"] = verified.last()
        case "queue":
            for row in details.get("queues", []):
                row["oldest"] = "–" if row["oldest_s"] is None else duration(row["oldest_s"])
        case "workers":
            for row in details.get("workers", []):
                row["up"] = duration(row["up_s"])
                row["serves"] = [(model, row["precision"].get(model, "")) for model in row["models"]]
                row["busy"] = "" if row["busy_s"] is None else duration(row["busy_s"])
        case "disk" if details.get("total_bytes"):
            free, total = details["free_bytes"], details["total_bytes"]
            details["used_share"] = round(100 * (1 - free / total))
            details["data"] = megabytes(size_of(settings.DATA_DIR))
        case "ingest":
            details["oldest"] = duration(details.get("oldest_queued_s", 0.0))
    name = NAMES.get(part.name, part.name)
    return {"key": part.name, "name": name, "ok": part.ok, "sentence": part.sentence, "details": details}


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; what goes away meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # a file of the index or the database that has just been replaced
            continue
    return total


def hour_context(now: datetime) -> dict[str, Any]:
    """Counts, percentiles and reasons of the last hour, and the questions as dots."""
    rows = queries.found(queries.Filters(period="hour"))
    summary = queries.summary(rows)
    dots = [
        Dot((now - created).total_seconds() / HOUR.total_seconds(), total_ms, degraded)
        for created, total_ms, degraded in rows.values_list("created", "total_ms", "degraded")[:DOTS]
    ]
    return {
        "summary": summary,
        "p50": milliseconds(summary.p50_ms or 0.0),
        "p95": milliseconds(summary.p95_ms or 0.0),
        "share": f"{100 * summary.degraded / summary.questions:.0f} %" if summary.questions else "–",
        "reasons": reasons(rows.filter(degraded=True)[:EXPLAINED]),
        "chart": draw(dots, p50_ms=summary.p50_ms, p95_ms=summary.p95_ms),
    }


def reasons(rows: QuerySet[TraceRecord]) -> list[tuple[str, int]]:
    """What was lost in degraded questions, and in how many, most first."""
    counted: Counter[str] = Counter()
    for skipped, partial, status in rows.values_list("body__skipped", "body__partial", "rerank_status"):
        counted.update(set(_lost(skipped)))
        if partial:
            counted["a part of the index did not answer"] += 1
        if status == "partial":
            counted["the rerank budget ended first"] += 1
    return sorted(counted.items(), key=lambda reason: (-reason[1], reason[0]))


def _lost(skipped: Iterable[dict[str, Any]] | None) -> Iterable[str]:
    for skip in skipped or ():
        if skip.get("failed"):
            stage = str(skip.get("stage", ""))
            yield LOST.get(stage, f"{stage} left out")
