"""Where the time went: one bar per step on a linear axis, waiting grey, computing in colour.

The axis is linear so that lengths can be compared: a step that is a hair took no time.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from rag.trace import Trace
from rag.types import Timing
from search_app.pages.words import STEP_NAMES, milliseconds

WIDTH = 1160.0
LEFT = 138.0
RIGHT = 128.0
ROW = 25.0
TOP = 24.0


WORTH_SAYING = 1.0
"""Milliseconds of waiting from which they are written beside the bar; less is a call, not a queue."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A step: when it began, how long it waited and how long it computed. Milliseconds."""

    step: str
    name: str
    started: float
    waited: float
    computed: float
    first: float | None = None
    """When the first piece of the answer came, from the question."""

    @property
    def elapsed(self) -> float:
        return self.waited + self.computed


@dataclass(frozen=True, slots=True)
class Budget:
    """The deadline of the rerank stages: from when it ran and when it ended. Milliseconds."""

    allowed: float
    started: float

    @property
    def ends(self) -> float:
        return self.started + self.allowed


def bars(trace: Trace) -> list[Bar]:
    """Steps in the order they began. Waiting stands before computing: it is the time in the queue."""

    def bar(timing: Timing) -> Bar:
        waited = 0.0 if timing.compute_ms is None else max(0.0, timing.elapsed_ms - timing.compute_ms)
        first = trace.first_ms if timing.step == "generate" else None
        return Bar(
            timing.step,
            STEP_NAMES.get(timing.step, timing.step),
            timing.started_ms,
            waited,
            timing.elapsed_ms - waited,
            None if first is None else timing.started_ms + first,
        )

    return [bar(timing) for timing in sorted(trace.timings, key=lambda t: t.started_ms)]


def budget(trace: Trace) -> Budget | None:
    """What the spec allows the rerank stages, from the moment the first of them began."""
    rerank = trace.spec.get("rerank")
    allowed = rerank.get("budget_ms") if isinstance(rerank, Mapping) else None
    begins = [t.started_ms for t in trace.timings if t.step in ("late", "reranked")]
    if not isinstance(allowed, int | float) or not begins:
        return None
    return Budget(float(allowed), min(begins))


def between(trace: Trace) -> float:
    """Time inside the whole that no step accounts for."""
    covered, at = 0.0, 0.0
    for timing in sorted(trace.timings, key=lambda t: t.started_ms):
        end = timing.started_ms + timing.elapsed_ms
        covered += max(0.0, end - max(at, timing.started_ms))
        at = max(at, end)
    return max(0.0, trace.total_ms - covered)


def tick_step(total: float) -> float:
    """A round distance that gives four to ten ticks."""
    rough = max(total, 1.0) / 8
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def draw(trace: Trace) -> SafeString:
    """The waterfall as one SVG element."""
    rows, limit = bars(trace), budget(trace)
    if not rows:
        return mark_safe("")
    total = max(trace.total_ms, 1.0)
    shown = limit if limit and limit.ends <= 1.5 * total else None
    span = max(total, shown.ends if shown else 0.0)

    def x(ms: float) -> float:
        return LEFT + ms / span * (WIDTH - LEFT - RIGHT)

    bottom = TOP + len(rows) * ROW + 4
    parts = [
        f'<svg class="chart waterfall" viewBox="0 0 {WIDTH:.0f} {bottom + 26:.0f}" role="img" '
        'aria-labelledby="time-title time-desc"><title id="time-title">Steps on a time axis</title>'
        f'<desc id="time-desc">{escape(_describe(rows, limit))}</desc>'
    ]
    step, tick = tick_step(span), 0.0
    while tick <= span * 1.001:
        label = "0" if tick == 0 else milliseconds(tick) if step < 1 else _axis(tick)
        parts.append(
            f'<line class="rule" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 6}" y2="{bottom:.0f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 18:.0f}" text-anchor="middle">{label}</text>'
        )
        tick += step
    for i, row in enumerate(rows):
        parts.append(_bar(row, TOP + i * ROW, x))
    if shown:
        at = x(shown.ends)
        side = ("end", -6) if at > WIDTH - RIGHT - 130 else ("start", 6)
        parts.append(
            f'<line class="budget" x1="{at:.1f}" x2="{at:.1f}" y1="2" y2="{bottom:.0f}"/>'
            f'<text class="budget" x="{at + side[1]:.1f}" y="12" text-anchor="{side[0]}">'
            f"rerank budget {milliseconds(shown.allowed)}</text>"
        )
    parts.append("</svg>")
    return mark_safe("".join(parts))  # noqa: S308 - built here, texts escaped


def _axis(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:g} s"


def _bar(row: Bar, y: float, x: Callable[[float], float]) -> str:
    start, middle, end = x(row.started), x(row.started + row.waited), x(row.started + row.elapsed)
    end = max(end, start + 2)
    middle = min(max(middle, start), end)
    parts = [
        f'<text class="name" x="{LEFT - 12:.0f}" y="{y + 14:.0f}" text-anchor="end">{escape(row.name)}</text>'
    ]
    for kind, left, right in (("waited", start, middle), ("computed", middle, end)):
        if right > left:
            size = f'width="{right - left:.1f}" height="15" rx="2"'
            parts.append(f'<rect class="{kind}" x="{left:.1f}" y="{y + 3:.0f}" {size}/>')
    if row.first is not None and row.first < row.started + row.elapsed:
        at = x(row.first)
        parts.append(f'<line class="first" x1="{at:.1f}" x2="{at:.1f}" y1="{y:.0f}" y2="{y + 21:.0f}"/>')
    said = milliseconds(row.elapsed)
    if row.waited >= WORTH_SAYING:
        said += f" · {milliseconds(row.waited)} waiting"
    # A long note at the right edge has no room beside its bar and goes into it.
    inside = end > WIDTH - RIGHT - 40 and row.waited >= WORTH_SAYING
    at, kind, anchor = (end - 6, "number inside", "end") if inside else (end + 7, "number", "start")
    parts.append(f'<text x="{at:.1f}" y="{y + 14.5:.1f}" class="{kind}" text-anchor="{anchor}">{said}</text>')
    return "".join(parts)


def _describe(rows: list[Bar], limit: Budget | None) -> str:
    said = "; ".join(f"{row.name} {milliseconds(row.elapsed)}" for row in rows)
    ended = f" The rerank budget ended at {milliseconds(limit.ends)}." if limit else ""
    return f"{said}.{ended} The table below holds the same times as text."
