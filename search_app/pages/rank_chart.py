"""The rank chart: one line per passage through every stage, from first found to handed over.

Ranks 1 to 10 stand at equal distances, those below on a logarithmic scale. A line is drawn between
neighbouring stages that both ranked the passage; where a stage did not, it breaks, and a dashed
bridge leads across. Colour says what became of a passage, and shape and numbers say it again, so that
the chart can be read in black and white.
"""

import math
from collections.abc import Iterable
from itertools import pairwise

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from rag.trace import Trace
from search_app.pages.rank_lines import Column, Line, columns, cutoff, legend, lines
from search_app.pages.words import path_of, shorten

WIDTH = 1160.0
TOP = 66.0
LEFT = 64.0
LABELS = 232.0
LINEAR_STEP = 18.0
DECADE = 150.0
LINEAR_TO = 10
NODE = 16.0
TICKS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100, 200, 500, 1000, 2000)


def y_of(rank: int) -> float:
    """Height of a rank: linear to 10, then `DECADE` for each factor of ten."""
    if rank <= LINEAR_TO:
        return TOP + (rank - 1) * LINEAR_STEP
    return TOP + (LINEAR_TO - 1) * LINEAR_STEP + DECADE * math.log10(rank / LINEAR_TO)


def x_positions(number: int) -> list[float]:
    """Where the columns stand, from left to right."""
    if number == 1:
        return [LEFT + 40]
    step = (WIDTH - LEFT - 40 - LABELS) / (number - 1)
    return [LEFT + 40 + i * step for i in range(number)]


def strokes(points: Iterable[tuple[int, int]], xs: list[float]) -> tuple[str, str]:
    """Path data of the solid runs between neighbouring columns and of the bridges across gaps."""
    solid: list[str] = []
    bridges: list[str] = []
    at: int | None = None
    for (c0, r0), (c1, r1) in pairwise(points):
        x0, y0, x1, y1 = xs[c0], y_of(r0), xs[c1], y_of(r1)
        middle = (x0 + x1) / 2
        curve = f"C{middle:.0f},{y0:.1f} {middle:.0f},{y1:.1f} {x1:.0f},{y1:.1f}"
        if c1 == c0 + 1:
            solid.append(curve if at == c0 else f"M{x0:.0f},{y0:.1f}{curve}")
            at = c1
        else:
            bridges.append(f"M{x0:.0f},{y0:.1f}{curve}")
    return "".join(solid), "".join(bridges)


def dodge(wanted: Iterable[tuple[int, float, float]], gap: float = NODE) -> dict[int, float]:
    """Sideways shift for nodes of one column whose numbers would cover each other.

    Takes `(number of the line, height, width)`; heights are data and stay. Lines run level through a
    column, so a node a little beside it still stands on its own line.
    """
    placed: list[tuple[float, float, float]] = []
    shifts: dict[int, float] = {}
    for number, y, width in sorted(wanted, key=lambda node: (node[1], node[0])):
        step = width + 1
        for shift in (0.0, step, -step, 2 * step, -2 * step, 3 * step, -3 * step):
            if all(abs(y - b) >= gap or abs(shift - a) >= (width + w) / 2 for a, b, w in placed):
                break
        placed.append((shift, y, width))
        shifts[number] = shift
    return shifts


def spread(heights: list[float], gap: float = 14.0) -> list[float]:
    """Heights moved down as little as keeps them `gap` apart; the input must be sorted."""
    result: list[float] = []
    for y in heights:
        result.append(max(y, result[-1] + gap) if result else y)
    return result


def draw(trace: Trace, *, texts_visible: bool = True) -> SafeString:
    """The chart as one SVG element; every text in it is escaped."""
    stages = columns(trace)
    if not stages:
        return mark_safe("")
    drawn, xs = lines(trace, stages), x_positions(len(stages))
    deepest = max((rank for line in drawn for _, rank in line.points), default=1)
    bottom = y_of(max(deepest, LINEAR_TO)) + 14
    height = bottom + 40
    parts = [
        f'<svg class="chart rank-chart" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" '
        f'aria-labelledby="rank-title rank-desc"><title id="rank-title">Rank of each passage after each stage'
        f'</title><desc id="rank-desc">{escape(_describe(trace, stages))}</desc>',
        *_grid(stages, xs, deepest, bottom),
    ]
    order = {"rest": 0, "pushed": 1, "stayed": 2, "rose": 3}
    shifts = _shifts(drawn, len(stages))
    names = _names(drawn, texts_visible)
    few = len(drawn) <= 40
    drawn = sorted(drawn, key=lambda line: (order[line.fate], -line.number))
    parts.extend(_line(line, stages, xs, names[line.number], few=few) for line in drawn)
    parts.extend(_nodes(line, stages, xs, shifts) for line in drawn if line.fate != "rest")
    parts.extend(_labels(drawn, stages, xs, names))
    parts.append("</svg>")
    return mark_safe("".join(parts))  # noqa: S308 - built here, texts escaped


def _describe(trace: Trace, stages: list[Column]) -> str:
    named = dict(legend(trace))
    names = ", ".join(column.name for column in stages)
    return (
        f"Lines through {names}. Of the passages handed to the generator {named['rose']} rose from below "
        f"the fused top {cutoff(trace)} and {named['stayed']} stayed; {named['pushed']} were pushed out. "
        "The table below holds the same ranks as text."
    )


def _grid(stages: list[Column], xs: list[float], deepest: int, bottom: float) -> Iterable[str]:
    left, right = xs[0] - 22, xs[-1] + 12
    for tick in TICKS:
        if tick > max(deepest, LINEAR_TO) or (tick < LINEAR_TO and tick not in (1, 5)):
            continue
        y = y_of(tick)
        yield f'<line class="rule" x1="{left:.0f}" x2="{right:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{left - 8:.0f}" y="{y + 4:.1f}" text-anchor="end">{tick:,}</text>'
    if deepest > LINEAR_TO:
        y = y_of(LINEAR_TO) + 17
        yield f'<text class="scale" x="{left - 8:.0f}" y="{y:.1f}" text-anchor="end">log ↓</text>'
    yield f'<text class="scale" x="{left - 8:.0f}" y="{TOP - 18:.0f}" text-anchor="end">rank</text>'
    for column, x in zip(stages, xs, strict=True):
        ran = "" if column.ran else " missing"
        yield f'<line class="stage{ran}" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 14:.0f}" y2="{bottom:.0f}"/>'
        yield f'<text class="head" x="{x:.0f}" y="18" text-anchor="middle">{escape(column.name)}</text>'
        yield f'<text class="note" x="{x:.0f}" y="35" text-anchor="middle">{escape(column.note)}</text>'
        foot = escape(column.foot)
        yield f'<text class="note{ran}" x="{x:.0f}" y="{bottom + 22:.0f}" text-anchor="middle">{foot}</text>'


def _width(rank: int) -> float:
    return NODE + 6.5 * max(0, len(str(rank)) - 2)


def _shifts(drawn: list[Line], number: int) -> list[dict[int, float]]:
    nodes: list[list[tuple[int, float, float]]] = [[] for _ in range(number)]
    for line in drawn:
        if line.fate != "rest":
            for column, rank in line.points:
                nodes[column].append((line.number, y_of(rank), _width(rank)))
    return [dodge(column) for column in nodes]


def _names(drawn: list[Line], texts_visible: bool) -> dict[int, str]:
    """A short name for each passage: its title, with the heading where several share the title."""
    titles: dict[str, int] = {}
    for line in drawn:
        if line.fate != "rest":
            titles[line.passage.title] = titles.get(line.passage.title, 0) + 1
    names = {}
    for line in drawn:
        passage = line.passage
        path = path_of(passage)
        if not texts_visible or not passage.title:
            names[line.number] = passage.id
        elif titles.get(passage.title, 2) == 1:
            names[line.number] = passage.title
        else:
            place = path.rsplit(" › ", 1)[-1] if path else f"passage {passage.position + 1}"
            names[line.number] = f"{place} · {passage.title}"
    return names


def _readout(line: Line, stages: list[Column], name: str) -> str:
    ranks = dict(line.points)
    said = [
        f"{column.name} {f'{ranks[i]:,}' if i in ranks else '–'}"
        for i, column in enumerate(stages)
        if column.key != "answer"
    ]
    fate = {"rose": "rose into the context", "stayed": "stayed", "pushed": "pushed out", "rest": ""}[
        line.fate
    ]
    ends = [part for part in (fate, "cited" if line.cited else "") if part]
    return f"{shorten(name, 80)}: {' → '.join(said)}{'; ' if ends else ''}{', '.join(ends)}"


def _line(line: Line, stages: list[Column], xs: list[float], name: str, *, few: bool) -> str:
    solid, bridges = strokes(line.points, xs)
    body = [f"<title>{escape(_readout(line, stages, name))}</title>"]
    if bridges:
        body.append(f'<path class="bridge" d="{bridges}"/>')
    if solid:
        body.append(f'<path class="run" d="{solid}"/>')
    if line.fate == "rest":
        shown = [(xs[c], y_of(r)) for c, r in line.points if few or r <= LINEAR_TO]
        present = {column for column, _ in line.points}
        alone = [
            (xs[c], y_of(r))
            for c, r in line.points
            if not (few or r <= LINEAR_TO or {c - 1, c + 1} & present)
        ]
        if shown:
            body.append(f'<path class="dots" d="{"".join(f"M{x:.0f},{y:.1f}h0" for x, y in shown)}"/>')
        if alone:
            body.append(f'<path class="ticks" d="{"".join(f"M{x - 4:.0f},{y:.1f}h8" for x, y in alone)}"/>')
    return f'<g class="way {line.fate}" data-row="{line.number}">{"".join(body)}</g>'


def _nodes(line: Line, stages: list[Column], xs: list[float], shifts: list[dict[int, float]]) -> str:
    """The ranks of a line that matters, as numbers on it; after all lines, so that none crosses them."""
    body = []
    for column, rank in line.points:
        hollow = " hollow" if stages[column].key == "answer" and not line.cited else ""
        x, y, width = xs[column] + shifts[column][line.number], y_of(rank), _width(rank)
        corner = 2.5 if line.fate == "pushed" else NODE / 2
        body.append(
            f'<rect class="node{hollow}" x="{x - width / 2:.1f}" y="{y - NODE / 2:.1f}" '
            f'width="{width:.1f}" height="{NODE:.0f}" rx="{corner}"/>'
            f'<text class="rank{hollow}" x="{x:.1f}" y="{y + 3.6:.1f}" text-anchor="middle">{rank}</text>'
        )
    return f'<g class="knots {line.fate}" data-row="{line.number}">{"".join(body)}</g>'


def _labels(drawn: list[Line], stages: list[Column], xs: list[float], names: dict[int, str]) -> Iterable[str]:
    """Titles at the right end of the lines that matter, kept apart."""
    last = len(stages) - 1
    at_answer = stages[-1].key == "answer"
    ends = sorted(
        ((line.points[-1], line) for line in drawn if line.fate != "rest" and line.points),
        key=lambda end: end[0][1],
    )
    for column in range(len(stages)):
        here = [(rank, line) for (c, rank), line in ends if c == column]
        for (_, line), y in zip(here, spread([y_of(rank) for rank, _ in here]), strict=True):
            sign = {"rose": "▲ ", "pushed": "▼ "}.get(line.fate, "")
            room = 34 if column == last or not at_answer else 54
            label = escape(sign + shorten(names[line.number], room))
            x = xs[column] + _width(dict(line.points)[column]) / 2 + 12
            yield (
                f'<text class="label {line.fate}" data-row="{line.number}" x="{x:.0f}" y="{y + 4:.1f}">'
                f"{label}</text>"
            )
