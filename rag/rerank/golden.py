"""Golden parity: fifty pairs whose scores are fixed, so that a reranker that computes otherwise is found out.

`golden.json` holds the pairs (our own writing: short and long, nine languages, odd texts) and, for each
model, its logits twice: as float arithmetic gives them, and as the backend `onnx` does with the int8 file,
where activations are rounded to 8 bits too. A worker runs `check` before it takes traffic.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rag.errors import RerankUnavailable
from rag.rerank.base import TextReranker
from rag.types import ScoreKind

TOLERANCE = {"float32": 0.02, "float16": 0.05, "bfloat16": 0.25, "int8": 0.5}
"""How far a logit may be off, by what computes. Seen: float32 .001, float16 .008, bfloat16 .08; int8 .3
where operations stood in another order, because a last bit before the rounding to 8 bits decides it."""
UNKNOWN = "bfloat16"
"""What a service that does not say how it computes is taken for."""


class Question(NamedTuple):
    query: str
    texts: tuple[str, ...]


class Golden(NamedTuple):
    questions: tuple[Question, ...]
    scores: Mapping[str, Mapping[str, tuple[float, ...]]]
    """Model → `float32` or `int8` → a logit for each pair, question after question."""


@cache
def golden() -> Golden:
    held = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    questions = tuple(Question(one["query"], tuple(one["texts"])) for one in held["questions"])
    scores = {m: {p: tuple(v) for p, v in by.items()} for m, by in held["scores"].items()}
    return Golden(questions, scores)


def check(reranker: TextReranker, *, model: str | None = None, seconds: float = 120.0) -> str:
    """Why this reranker must not be used, in a sentence; nothing when all is well.

    `model` names the scores to compare with; by default they are found by the fingerprint. A model without
    fixed scores must give finite scores that do not depend on the order of the texts.
    """
    deadline = time.monotonic() + seconds
    known = model or next((name for name in golden().scores if reranker.fingerprint.startswith(name)), None)
    try:
        if known is None:
            return _same_in_any_order(reranker, deadline)
        values: list[float | None] = []
        kind: ScoreKind = "logit"
        precision = ""
        for query, texts in golden().questions:
            scores = reranker.score_texts(query, texts, deadline=deadline)
            values += scores.values
            kind, precision = scores.kind, scores.spent.precision
    except RerankUnavailable as error:
        return f"It could not score the golden pairs. {error}"
    return compare(values, model=known, kind=kind, precision=precision)


def compare(
    values: Sequence[float | None], *, model: str, kind: ScoreKind = "logit", precision: str = ""
) -> str:
    """Why these scores of the golden pairs are not those of `model`, in a sentence; nothing when they are.

    A logit may be off by the tolerance of its precision, a probability by a quarter of it, which is as much
    as that moves it. Of other kinds only the order counts: no pair may stand below one whose logit is lower
    by more than twice the tolerance.
    """
    computes = next((name for name in TOLERANCE if precision.startswith(name)), UNKNOWN)
    fixed = golden().scores[model]["int8" if computes == "int8" else "float32"]
    tolerance = TOLERANCE[computes]
    if reason := _not_scores(values, len(fixed)):
        return reason
    given = [value for value in values if value is not None]
    if kind not in ("logit", "probability"):
        return _order(given, fixed, 2 * tolerance)
    if kind == "probability":
        fixed, tolerance = tuple(1 / (1 + math.exp(-logit)) for logit in fixed), tolerance / 4
    worst = max(range(len(fixed)), key=lambda i: abs(given[i] - fixed[i]))
    if abs(given[worst] - fixed[worst]) <= tolerance:
        return ""
    return (
        f"It gives golden pair {worst + 1} of {len(fixed)} a {kind} of {given[worst]:.3f} where {model} "
        f"gives {fixed[worst]:.3f}, and may be off by {tolerance:g} in {computes}: the model's files are "
        "others, or what runs them computes wrongly here."
    )


def _order(given: Sequence[float], fixed: Sequence[float], apart: float) -> str:
    for i, high in enumerate(fixed):
        for j, low in enumerate(fixed):
            if high - low > apart and given[i] < given[j]:
                logits = f"whose logits are {low:.2f} and {high:.2f}"
                return f"It puts golden pair {j + 1} above pair {i + 1}, {logits}."
    return ""


def _not_scores(values: Sequence[float | None], wanted: int) -> str:
    if len(values) != wanted:
        return f"It gives {len(values)} scores for {wanted} golden pairs."
    for number, value in enumerate(values, start=1):
        if value is None or not math.isfinite(value):
            return f"It gives golden pair {number} of {wanted} the score {value}, which is no number."
    return ""


def _same_in_any_order(reranker: TextReranker, deadline: float) -> str:
    for query, texts in golden().questions[:2]:
        there = reranker.score_texts(query, texts, deadline=deadline)
        back = reranker.score_texts(query, texts[::-1], deadline=deadline)
        if reason := _not_scores(there.values, len(texts)) or _not_scores(back.values, len(texts)):
            return reason
        if there.kind == "ordinal":  # places of a list: another list, other places
            continue
        apart = TOLERANCE[UNKNOWN] * max(abs(value or 0) for value in there.values)
        for one, other in zip(there.values, back.values[::-1], strict=True):
            if abs((one or 0) - (other or 0)) > apart:
                return f"It gives a text {one} in one order of the same texts, {other} in another."
    return ""
