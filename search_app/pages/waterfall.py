"""Where the time went: one bar per step on a linear axis; waiting in a queue is a grey bar of its own.

The axis is linear so that lengths can be compared: a step that is a hair took no time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from rag.trace import Trace
from rag.types import Timing
from search_app.pages.spent import RERANK, voice
from search_app.pages.words import STEP_NAMES, milliseconds

WORTH_SAYING = 1.0
"""Milliseconds of waiting from which they are drawn as a row of their own; less is a call, not a queue."""


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
            voice(trace) if timing.step == "reranked" else STEP_NAMES.get(timing.step, timing.step),
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
    begins = [t.started_ms for t in trace.timings if t.step in RERANK]
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


def tick_step(total: float, ticks: int = 8) -> float:
    """A round distance that gives about so many ticks, at most."""
    rough = max(total, 1.0) / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of the picture: what is written beside it and the stretch it covers. Milliseconds."""

    name: str
    kind: str
    """`waited` or `computed`."""
    started: float
    length: float
    first: float | None = None


def strips(rows: list[Bar]) -> list[Strip]:
    """A row a step; a step that waited worth saying has one for the queue and one for the work."""
    result = []
    for row in rows:
        if row.waited < WORTH_SAYING:
            result.append(Strip(row.name, "computed", row.started, row.elapsed, row.first))
            continue
        result.append(Strip(f"{row.name}: queue", "waited", row.started, row.waited))
        began = row.started + row.waited
        result.append(Strip(f"{row.name}: compute", "computed", began, row.computed, row.first))
    return result


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things stand: names left of the bars, or for a narrow screen above them."""

    width: float
    left: float
    right: float
    row: float
    bar: float
    """From the top of a row to its bar."""
    ticks: int

    def x(self, ms: float, span: float) -> float:
        return self.left + ms / span * (self.width - self.left - self.right)


WIDE = _Frame(width=1160.0, left=178.0, right=96.0, row=25.0, bar=3.0, ticks=8)
NARROW = _Frame(width=360.0, left=2.0, right=14.0, row=36.0, bar=17.0, ticks=4)
TOP = 24.0


def draw(trace: Trace, *, narrow: bool = False) -> SafeString:
    """The waterfall as one SVG element; `narrow` for a screen of the width of a hand."""
    rows, limit = strips(bars(trace)), budget(trace)
    if not rows:
        return mark_safe("")
    frame = NARROW if narrow else WIDE
    total = max(trace.total_ms, 1.0)
    shown = limit if limit and limit.ends <= 1.5 * total else None
    span = max(total, shown.ends if shown else 0.0)
    bottom = TOP + len(rows) * frame.row + 4
    key = "narrow-time" if narrow else "time"
    parts = [
        f'<svg class="chart waterfall{" narrow" if narrow else ""}" '
        f'viewBox="0 0 {frame.width:.0f} {bottom + 26:.0f}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc"><title id="{key}-title">Steps on a time axis</title>'
        f'<desc id="{key}-desc">{escape(_describe(bars(trace), limit))}</desc>'
    ]
    step, tick = tick_step(span, frame.ticks), 0.0
    while tick <= span * 1.001:
        label = "0" if tick == 0 else milliseconds(tick) if step < 1 else _axis(tick)
        at = frame.x(tick, span)
        anchor = "start" if narrow and tick == 0 else "middle"
        parts.append(
            f'<line class="rule" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 6:.0f}" y2="{bottom:.0f}"/>'
            f'<text class="tick" x="{at:.1f}" y="{bottom + 18:.0f}" text-anchor="{anchor}">{label}</text>'
        )
        tick += step
    parts += [_strip(row, TOP + i * frame.row, frame, span) for i, row in enumerate(rows)]
    if shown:
        at = frame.x(shown.ends, span)
        side = ("end", -6) if at > frame.width - frame.right - 130 else ("start", 6)
        parts.append(
            f'<line class="budget" x1="{at:.1f}" x2="{at:.1f}" y1="2" y2="{bottom:.0f}"/>'
            f'<text class="budget" x="{at + side[1]:.1f}" y="12" text-anchor="{side[0]}">'
            f"rerank budget {milliseconds(shown.allowed)}</text>"
        )
    parts.append("</svg>")
    return mark_safe("".join(parts))  # noqa: S308 - built here, texts escaped


def _axis(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:g} s"


def _strip(row: Strip, y: float, frame: _Frame, span: float) -> str:
    start = frame.x(row.started, span)
    end = max(frame.x(row.started + row.length, span), start + 2)
    narrow = frame is NARROW
    at, anchor = (frame.left, "start") if narrow else (frame.left - 12, "end")
    parts = [
        f'<text class="name" x="{at:.0f}" y="{y + (12 if narrow else 14):.0f}" text-anchor="{anchor}">'
        f"{escape(row.name)}</text>",
        f'<rect class="{row.kind}" x="{start:.1f}" y="{y + frame.bar:.0f}" width="{end - start:.1f}" '
        'height="15" rx="2"/>',
    ]
    if row.first is not None and row.first < row.started + row.length:
        x = frame.x(row.first, span)
        top = y + frame.bar - 3
        parts.append(f'<line class="first" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.0f}" y2="{top + 21:.0f}"/>')
    said = milliseconds(row.length)
    if narrow:
        parts.append(
            f'<text x="{frame.width - 2:.0f}" y="{y + 12:.0f}" class="number" text-anchor="end">{said}</text>'
        )
    else:
        parts.append(
            f'<text x="{end + 7:.1f}" y="{y + 14.5:.1f}" class="number" text-anchor="start">{said}</text>'
        )
    return "".join(parts)


def _describe(rows: list[Bar], limit: Budget | None) -> str:
    said = "; ".join(f"{row.name} {milliseconds(row.elapsed)}" for row in rows)
    ended = f" The rerank budget ended at {milliseconds(limit.ends)}." if limit else ""
    return f"{said}.{ended} The table below holds the same times as text."
