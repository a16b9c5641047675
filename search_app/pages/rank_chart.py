"""The rank chart: one line per passage through every stage, from first found to handed over.

Ranks 1 to 10 stand at equal distances, those below on a logarithmic scale. A line is drawn between
neighbouring stages that both ranked the passage; where a stage did not, it breaks, and a dashed
bridge leads across. Colour says what became of a passage, and shape and numbers say it again, so that
the chart can be read in black and white.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from rag.trace import Trace
from search_app.pages.rank_lines import Column, Line, columns, cutoff, legend, lines
from search_app.pages.rank_scale import (
    LINEAR_TO,
    NARROW,
    NODE,
    TOP,
    WIDE,
    dodge,
    spread,
    strokes,
    x_positions,
    y_of,
)
from search_app.pages.words import path_of, shorten

DENSE = 8
"""Columns of a narrow chart beyond which their names stand in two rows."""
TICKS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100, 200, 500, 1000, 2000)


def draw(trace: Trace, *, texts_visible: bool = True, narrow: bool = False) -> SafeString:
    """The chart as one SVG element; every text in it is escaped.

    `narrow` is for a screen of the width of a hand: only the lines that matter, and no titles.
    """
    stages = columns(trace)
    if not stages:
        return mark_safe("")
    frame = NARROW if narrow else WIDE
    drawn, xs = lines(trace, stages), x_positions(len(stages), frame)
    names = _names(drawn, texts_visible)
    few = len(drawn) <= 40
    if narrow:
        drawn = [line for line in drawn if line.fate != "rest"]
    deepest = max((rank for line in drawn for _, rank in line.points), default=1)
    bottom = y_of(max(deepest, LINEAR_TO)) + 14
    key = "narrow-rank" if narrow else "rank"
    parts = [
        f'<svg class="chart rank-chart{" narrow" if narrow else ""}" '
        f'viewBox="0 0 {frame.width:.0f} {bottom + 40:.0f}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc"><title id="{key}-title">Rank of each passage after each '
        f'stage</title><desc id="{key}-desc">{escape(_describe(trace, stages))}</desc>',
        *_grid(stages, xs, deepest, bottom, narrow=narrow),
    ]
    order = {"rest": 0, "pushed": 1, "stayed": 2, "rose": 3}
    shifts = _shifts(drawn, len(stages))
    drawn = sorted(drawn, key=lambda line: (order[line.fate], -line.number))
    parts.extend(_line(line, stages, xs, names[line.number], few=few) for line in drawn)
    parts.extend(_nodes(line, stages, xs, shifts) for line in drawn if line.fate != "rest")
    if not narrow:
        parts.extend(_labels(drawn, stages, xs, names))
    parts.append("</svg>")
    return mark_safe("".join(parts))  # noqa: S308 - built here, texts escaped


@dataclass(frozen=True, slots=True)
class Way:
    """One passage's way in words: `steps` are stage and rank, `–` where the stage did not rank it."""

    number: int
    fate: str
    name: str
    steps: tuple[tuple[str, str], ...]
    end: str


def ways(trace: Trace, *, texts_visible: bool = True) -> list[Way]:
    """The lines that matter, to be read where the chart is too wide; in the final order."""
    stages = columns(trace)
    drawn = lines(trace, stages)
    names = _names(drawn, texts_visible)
    return [
        Way(line.number, line.fate, names[line.number], tuple(_steps(line, stages)), _end(line))
        for line in drawn
        if line.fate != "rest"
    ]


def _describe(trace: Trace, stages: list[Column]) -> str:
    named = dict(legend(trace))
    names = ", ".join(column.name for column in stages)
    return (
        f"Lines through {names}. Of the passages handed to the generator {named['rose']} rose from below "
        f"the fused top {cutoff(trace)} and {named['stayed']} stayed; {named['pushed']} were pushed out. "
        "The table below holds the same ranks as text."
    )


def _grid(
    stages: list[Column], xs: list[float], deepest: int, bottom: float, *, narrow: bool
) -> Iterable[str]:
    left, right = xs[0] - (12 if narrow else 22), xs[-1] + 12
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
    dense = narrow and len(stages) > DENSE
    for place, (column, x) in enumerate(zip(stages, xs, strict=True)):
        ran = "" if column.ran else " missing"
        yield f'<line class="stage{ran}" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP - 14:.0f}" y2="{bottom:.0f}"/>'
        if narrow:
            name, number = escape(column.name), f"{len(column.ranks):,}" if column.ran else "–"
            y = 22 if dense and place % 2 else 35
            yield f'<text class="head" x="{x:.0f}" y="{y}" text-anchor="middle">{name}</text>'
            yield f'<text class="note" x="{x:.0f}" y="{bottom + 22:.0f}" text-anchor="middle">{number}</text>'
            continue
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


def _steps(line: Line, stages: list[Column]) -> Iterable[tuple[str, str]]:
    ranks = dict(line.points)
    for i, column in enumerate(stages):
        if column.key != "answer":
            yield column.name, f"{ranks[i]:,}" if i in ranks else "–"


def _end(line: Line) -> str:
    fate = {"rose": "rose into the context", "stayed": "stayed", "pushed": "pushed out", "rest": ""}
    return ", ".join(part for part in (fate[line.fate], "cited" if line.cited else "") if part)


def _readout(line: Line, stages: list[Column], name: str) -> str:
    said = " → ".join(f"{stage} {rank}" for stage, rank in _steps(line, stages))
    end = _end(line)
    return f"{shorten(name, 80)}: {said}{'; ' if end else ''}{end}"


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
