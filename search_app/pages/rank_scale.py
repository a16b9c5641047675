"""The scale of the rank chart: where ranks and stages stand, how lines run, and how numbers keep apart."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

TOP = 66.0
LINEAR_STEP = 18.0
DECADE = 150.0
LINEAR_TO = 10
NODE = 16.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Width of the picture, where its first column stands, and the room right of the last one."""

    width: float
    first: float
    room: float


WIDE = Frame(1160.0, 104.0, 232.0)
NARROW = Frame(356.0, 44.0, 24.0)
"""For a screen of the width of a hand: no titles at the ends of lines."""


def y_of(rank: int) -> float:
    """Height of a rank: linear to 10, then `DECADE` for each factor of ten."""
    if rank <= LINEAR_TO:
        return TOP + (rank - 1) * LINEAR_STEP
    return TOP + (LINEAR_TO - 1) * LINEAR_STEP + DECADE * math.log10(rank / LINEAR_TO)


def x_positions(number: int, frame: Frame = WIDE) -> list[float]:
    """Where the columns stand, from left to right."""
    if number == 1:
        return [frame.first]
    step = (frame.width - frame.first - frame.room) / (number - 1)
    return [frame.first + i * step for i in range(number)]


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
