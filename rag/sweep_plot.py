"""A sweep as a picture: nDCG@10 against milliseconds, a curve a pipeline, the knee marked, as SVG."""

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from rag.sweep import Point, Sweep

WIDTH, HEIGHT = 720.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 30.0, 56.0, 56.0
COLOURS = ("#2f6f4f", "#a8521c", "#3b5ba5", "#8a3c7d")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.t{font-size:16px}.g{stroke:#ddd}"
    ".b{fill:#fff}@media (prefers-color-scheme:dark){text{fill:#ddd}.g{stroke:#444}.b{fill:#191919}}"
)


def svg(title: str, sweeps: Sequence[Sweep]) -> str:
    """The whole file. The milliseconds are on a logarithmic scale; a ring is the knee of its curve."""
    points = [point for sweep in sweeps for point in sweep.points]
    across = _scale([math.log10(max(p.ms, 0.1)) for p in points], LEFT, WIDTH - RIGHT)
    up = _scale([p.ndcg for p in points], HEIGHT - BOTTOM, TOP)

    def at(point: Point) -> tuple[float, float]:
        return across(math.log10(max(point.ms, 0.1))), up(point.ndcg)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="b" width="{WIDTH:.0f}" height="{HEIGHT:.0f}"/>',
        f'<text class="t" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{LEFT}" y="44">nDCG@10</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">milliseconds a search</text>',
    ]
    for ms in _ticks([p.ms for p in points]):
        x = across(math.log10(ms))
        drawn += [
            f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{ms:,.0f}</text>',
        ]
    low, high = min(p.ndcg for p in points), max(p.ndcg for p in points)
    for value in sorted({round(low + (high - low) * part / 4, 3) for part in range(5)}):
        drawn += [
            f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(value):.1f}" y2="{up(value):.1f}"/>',
            f'<text x="{LEFT - 8}" y="{up(value) + 4:.1f}" text-anchor="end">{value:.3f}</text>',
        ]
    for number, sweep in enumerate(sweeps):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, sweep.points))
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        for point in sweep.points:
            x, y = at(point)
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
            drawn.append(f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{point.depth}</text>')
            if point.depth == sweep.knee:
                ring = f'fill="none" stroke="{colour}" stroke-width="2"'
                drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" {ring}/>')
                said = f"{sweep.pipeline}: knee at depth {point.depth}, {point.ms:,.0f} ms"
                below = HEIGHT - BOTTOM - 12 - 18 * number
                drawn.append(
                    f'<text x="{WIDTH - RIGHT}" y="{below}" text-anchor="end" style="fill:{colour}">'
                    f"{escape(said)}</text>"
                )
    return "\n".join([*drawn, "</svg>\n"])


def rows(sweep: Sweep) -> list[tuple[str, ...]]:
    """The same as lines of a table; a bar shows what a depth gains over the poorest, the knee is named."""
    low, high = min(p.ndcg for p in sweep.points), max(p.ndcg for p in sweep.points)
    return [
        (
            str(p.depth),
            f"{p.scored:.1f}",
            f"{p.ndcg:.4f}",
            f"{p.behind:.4f} ± {p.noise:.4f}",
            f"{p.ms:,.0f}",
            f"{p.p95_ms:,.0f}",
            f"{'#' * round(24 * (p.ndcg - low) / (high - low or 1)):<24}",
            "< knee" if p.depth == sweep.knee else "",
        )
        for p in sweep.points
    ]


COLUMNS = ("depth", "scored", "nDCG@10", "behind the best", "ms", "p95 ms", "what it gains", "")


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    low, high = min(values), max(values)
    return lambda value: start + (end - start) * ((value - low) / (high - low) if high > low else 0.5)


def _ticks(values: Sequence[float]) -> list[float]:
    """1, 2, 5, 10, 20, … within the values."""
    low, high = max(min(values), 0.1), max(values)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [t for d in decades for m in (1, 2, 5) if low <= (t := m * 10.0**d) <= high]
