"""The questions of the last hour as dots: when they were asked and how long they took."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe

from search_app.pages.waterfall import tick_step
from search_app.pages.words import milliseconds

WIDTH, HEIGHT = 1160.0, 190.0
LEFT, END, TOP, BOTTOM = 64.0, 1070.0, 12.0, 166.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A question: how much of the hour has passed since, 0 to 1, how long it took, whether it degraded."""

    ago: float
    total_ms: float
    degraded: bool


def draw(dots: Sequence[Dot], *, p50_ms: float | None, p95_ms: float | None) -> SafeString:
    """One SVG element; empty without dots. A degraded question is a square."""
    if not dots:
        return mark_safe("")
    highest = max(dot.total_ms for dot in dots) * 1.05 or 1.0

    def x(ago: float) -> float:
        return LEFT + (1 - min(max(ago, 0.0), 1.0)) * (END - LEFT)

    def y(ms: float) -> float:
        return BOTTOM - ms / highest * (BOTTOM - TOP)

    parts = [
        f'<svg class="chart hour" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" '
        f'aria-labelledby="hour-title">'
        f'<title id="hour-title">{len(dots)} questions of the last hour by time and duration</title>'
    ]
    step, tick = tick_step(highest, 4), 0.0
    while tick <= highest:
        label = "0" if not tick else milliseconds(tick)
        parts.append(
            f'<line class="rule" x1="{LEFT:.0f}" x2="{END:.0f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
            f'<text class="tick" x="{LEFT - 8:.0f}" y="{y(tick) + 4:.1f}" text-anchor="end">{label}</text>'
        )
        tick += step
    for minutes in (60, 45, 30, 15, 0):
        said = f"{minutes} min ago" if minutes else "now"
        at = x(minutes / 60)
        parts.append(
            f'<text class="tick" x="{at:.0f}" y="{BOTTOM + 19:.0f}" text-anchor="middle">{said}</text>'
        )
    marks = [("p95", p95_ms), ("p50", p50_ms)]
    close = p50_ms is not None and p95_ms is not None and abs(y(p95_ms) - y(p50_ms)) < 13
    for name, value in marks:
        if value is not None:
            shift = -6 if close and name == "p95" else 6 if close else 0
            at = y(value)
            parts.append(
                f'<line class="percentile" x1="{LEFT:.0f}" x2="{END:.0f}" y1="{at:.1f}" y2="{at:.1f}"/>'
                f'<text class="percentile" x="{END + 8:.0f}" y="{at + 4 + shift:.1f}">'
                f"{name} {milliseconds(value)}</text>"
            )
    for dot in dots:
        a, b = x(dot.ago), y(dot.total_ms)
        if dot.degraded:
            parts.append(f'<rect class="lost" x="{a - 4:.1f}" y="{b - 4:.1f}" width="8" height="8"/>')
        else:
            parts.append(f'<circle class="well" cx="{a:.1f}" cy="{b:.1f}" r="3.6"/>')
    parts.append("</svg>")
    return mark_safe("".join(parts))  # noqa: S308 - built here from numbers
