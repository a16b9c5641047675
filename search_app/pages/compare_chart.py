"""The final orders of two traces as a slope: one line a passage, from its rank before to its rank after."""

from collections.abc import Iterable

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from search_app.pages.rank_scale import NODE, TOP, spread, y_of
from search_app.pages.words import shorten

WIDTH = 1160.0
LEFT, RIGHT = 400.0, 760.0
LETTERS = 46


def draw(moves: Iterable[tuple[str, int | None, int | None]]) -> SafeString:
    """Takes title, rank before and rank after of each passage; None where it was no candidate."""
    rows = list(moves)
    if not rows:
        return mark_safe("")
    deepest = max(max(before or 1, after or 1) for _, before, after in rows)
    bottom = y_of(max(deepest, 10)) + 20
    parts = [
        f'<svg class="chart slope" viewBox="0 0 {WIDTH:.0f} {bottom:.0f}" role="img" '
        'aria-labelledby="slope-title"><title id="slope-title">Ranks in the final order, before and after. '
        "The table below holds the same ranks.</title>"
    ]
    for x, name in ((LEFT, "Before"), (RIGHT, "After")):
        parts.append(
            f'<text class="head" x="{x:.0f}" y="34" text-anchor="middle">{name}</text>'
            f'<line class="stage" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 14:.0f}" y2="{bottom - 8:.0f}"/>'
        )
    for _, before, after in rows:
        if before and after:
            y0, y1, middle = y_of(before), y_of(after), (LEFT + RIGHT) / 2
            parts.append(
                f'<path class="run {fate(before, after)}" d="M{LEFT:.0f},{y0:.1f}C{middle:.0f},{y0:.1f} '
                f'{middle:.0f},{y1:.1f} {RIGHT:.0f},{y1:.1f}"/>'
            )
    parts += _side([(b, t, fate(b, a)) for t, b, a in rows if b], LEFT, "end", -1)
    parts += _side([(a, t, fate(b, a)) for t, b, a in rows if a], RIGHT, "start", 1)
    parts.append("</svg>")
    return mark_safe("".join(parts))  # noqa: S308 - built here, texts escaped


def fate(before: int | None, after: int | None) -> str:
    """`rose`, `pushed` or `stayed`; what came in rose, what went out was pushed."""
    if before == after:
        return "stayed"
    if before is None or (after is not None and after < before):
        return "rose"
    return "pushed"


def _side(ends: list[tuple[int, str, str]], x: float, anchor: str, sign: int) -> Iterable[str]:
    ends.sort()
    heights = spread([y_of(rank) for rank, _, _ in ends], 15.0)
    for (rank, title, kind), label_y in zip(ends, heights, strict=True):
        width = NODE + 6.5 * max(0, len(str(rank)) - 2)
        y, corner = y_of(rank), 2.5 if kind == "pushed" else NODE / 2
        yield (
            f'<g class="knots {kind}"><rect class="node" x="{x - width / 2:.1f}" y="{y - NODE / 2:.1f}" '
            f'width="{width:.1f}" height="{NODE:.0f}" rx="{corner}"/>'
            f'<text class="rank" x="{x:.0f}" y="{y + 3.6:.1f}" text-anchor="middle">{rank}</text></g>'
            f'<text class="label {kind}" x="{x + sign * (width / 2 + 10):.0f}" y="{label_y + 4:.1f}" '
            f'text-anchor="{anchor}">{escape(shorten(title, LETTERS))}</text>'
        )
