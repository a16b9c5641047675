"""A curve of refusals as SVG: kept of the answerable across, refused of the others up."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from rag.sweep_plot import COLOURS, STYLE

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720.0, 420.0, 70.0, 30.0, 56.0, 56.0


def svg(title: str, curves: Mapping[str, Sequence[tuple[float, float]]], marked: Mapping[str, int]) -> str:
    """`curves`: name → points of (kept, refused), shares. `marked`: name → which of them is ringed."""
    least = 0.7

    def at(point: tuple[float, float]) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * (point[0] - least) / (1 - least)
        return across, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * point[1]

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="b" width="{WIDTH:.0f}" height="{HEIGHT:.0f}"/>',
        f'<text class="t" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{LEFT}" y="44">refused of the unanswerable</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">answered of the answerable</text>',
    ]
    for step in range(7):
        kept = least + step * (1 - least) / 6
        x, _ = at((kept, 0))
        drawn += [
            f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>',
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{kept:.2f}</text>',
        ]
    for step in range(6):
        _, y = at((1, step / 5))
        drawn += [
            f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{step / 5:.1f}</text>',
        ]
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, (p for p in points if p[0] >= least)))
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        if name in marked:
            x, y = at(points[marked[name]])
            drawn.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
        drawn.append(
            f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 20 + 18 * number}" text-anchor="end" '
            f'style="fill:{colour}">{escape(name)}</text>'
        )
    return "\n".join([*drawn, "</svg>\n"])
