"""What reranking cost and what its scores stand on: a row for each of its stages, and the same in a line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.trace import Trace
from rag.types import NOTHING_SPENT, STAGES, Spent
from search_app.pages.words import STAGE_NAMES, count, dollars, milliseconds

RERANK = ("late", "coarse", "middle", "reranked")
"""Stages in which a reranker scores."""
BEFORE = ("coarse", "middle")
"""Those of them that only a cascade has."""
VOICES = {
    "onnx": "cross-encoder",
    "cross_encoder": "cross-encoder",
    "http": "service",
    "causal": "language model",
    "listwise": "language model",
    "pointwise": "language model",
    "late_interaction": "late interaction",
    "colbert": "late interaction",
    "identity": "order kept",
}
"""What the backends of rerankers are called."""
STOPPED = {"time": "its time was over", "gap": "nothing below could enter the top"}
HEADS = (
    "From the cache",
    "Texts read",
    "Windows",
    "Tokens",
    "Requests",
    "In the queue",
    "Computing",
    "Price",
    "Mended",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One stage. `cells` are head and what stands below it, for the heads that are shown."""

    name: str
    what: str
    """Backend and model."""
    scored: str
    """`16 of 30`."""
    stopped: str
    """Why not all, in words."""
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def table(trace: Trace) -> Table | None:
    """None where no reranker scored anything."""
    ran = [stage for stage in RERANK if trace.ranking(stage)]
    if not ran:
        return None
    filled = [_cells(trace, stage) for stage in ran]
    shown = [head for head in HEADS if any(cells[head] for cells in filled)]
    rows = tuple(
        _row(trace, stage, tuple((head, cells[head] or "–") for head in shown))
        for stage, cells in zip(ran, filled, strict=True)
    )
    return Table(tuple(shown), rows)


def said(trace: Trace) -> str:
    """What all stages took from the cache, cost and mended; empty where that is nothing:
    `16 scores from the cache, $0.0020`.
    """
    return ", ".join(_sums(tuple(trace.spent.values())))


def _sums(costs: Sequence[Spent]) -> Iterator[str]:
    if cached := sum(cost.cached for cost in costs):
        yield f"{count(cached, 'score')} from the cache"
    if windows := sum(cost.windows for cost in costs):
        yield f"long passages in {count(windows, 'window')}"
    if usd := sum(cost.usd for cost in costs):
        yield dollars(usd)
    if repaired := sum(cost.repaired for cost in costs):
        yield f"{count(repaired, 'malformed reply', 'malformed replies')} mended"


def _row(trace: Trace, stage: str, cells: tuple[tuple[str, str], ...]) -> Row:
    ranking, cost = trace.ranking(stage), trace.spent.get(stage, NOTHING_SPENT)
    assert ranking is not None
    spec = spec_of(trace, stage)
    model = " ".join(str(spec[key]) for key in ("backend", "model") if spec.get(key))
    scored = f"{len(ranking):,} of {trace.asked.get(stage, len(ranking)):,}"
    what = " · ".join(filter(None, (model.replace("_", " "), cost.precision)))
    return Row(STAGE_NAMES[stage], what, scored, STOPPED.get(cost.stopped, ""), cells)


def _cells(trace: Trace, stage: str) -> dict[str, str]:
    cost = trace.spent.get(stage, NOTHING_SPENT)
    timing = next((t for t in trace.timings if t.step == stage), None)
    computed = timing.compute_ms if timing else None
    return {
        "From the cache": count(cost.cached, "score") if cost.cached else "",
        "Texts read": f"{cost.texts:,}" if cost.texts else "",
        "Windows": f"{cost.windows:,}" if cost.windows else "",
        "Tokens": f"{cost.tokens:,}" if cost.tokens else "",
        "Requests": f"{cost.requests:,}" if cost.requests else "",
        "In the queue": milliseconds(cost.queue_ms) if cost.queue_ms else "",
        "Computing": milliseconds(computed) if computed is not None else "",
        "Price": dollars(cost.usd) if cost.usd else "",
        "Mended": count(cost.repaired, "reply", "replies") if cost.repaired else "",
    }


def spec_of(trace: Trace, stage: str) -> Mapping[str, Any]:
    """The part of the trace's spec that this stage ran by; empty where there is none."""
    rerank = trace.spec.get("rerank")
    if stage == "late" or not isinstance(rerank, Mapping):
        part = trace.spec.get("late")
        return part if stage == "late" and isinstance(part, Mapping) else {}
    if stage not in BEFORE:
        return rerank
    before = rerank.get("before") or ()
    place = BEFORE.index(stage)
    return before[place] if place < len(before) else {}


def stages_of(trace: Trace) -> tuple[str, ...]:
    """All stages but those that only a cascade has and this pipeline has not."""
    return tuple(stage for stage in STAGES if stage not in BEFORE or spec_of(trace, stage))


def voice(trace: Trace, stage: str = "reranked") -> str:
    """What scored in a stage, in a word: `cross-encoder`, `language model`."""
    return VOICES.get(str(spec_of(trace, stage).get("backend")), "reranker")
