"""What the rank chart and the table of candidates are about: stages, and each passage's way through them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rag.trace import Trace
from rag.types import STAGES, Passage
from search_app.pages.spent import BEFORE, voice
from search_app.pages.words import SCALE_NAMES, STAGE_MEANINGS, STAGE_NAMES

Fate = Literal["rose", "stayed", "pushed", "rest"]
"""Into the context from below the fused top, there all along, out of the fused top, none of these."""


@dataclass(frozen=True, slots=True)
class Column:
    """A stage: passage id to rank, and one line on how many there are. `ran` is False where it failed."""

    key: str
    name: str
    note: str
    ranks: Mapping[str, int]
    foot: str
    ran: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """A passage's way: `(column, rank)` for each stage that ranked it, in order of columns."""

    number: int
    passage: Passage
    fate: Fate
    points: tuple[tuple[int, int], ...]
    cited: bool


def cutoff(trace: Trace) -> int:
    """How many passages the spec hands to the generator."""
    context = trace.spec.get("context")
    top = context.get("top") if isinstance(context, Mapping) else None
    return top if isinstance(top, int) else len(trace.context) or 5


def fates(trace: Trace) -> dict[str, Fate]:
    """Passage id to what became of it between the fused order and the context, for those that matter."""
    fused, top = trace.ranking("fused"), cutoff(trace)
    before = {p.id for p in fused.passages[:top]} if fused else set()
    after = {c.passage_id for c in trace.context} or {c.passage.id for c in trace.final[:top]}
    if not fused:
        return dict.fromkeys(after, "stayed")
    fate: dict[str, Fate] = {}
    for pid in before | after:
        fate[pid] = "pushed" if pid not in after else "stayed" if pid in before else "rose"
    return fate


def columns(trace: Trace) -> list[Column]:
    """The stages that ran, those that should have, and the answer where there is a context."""
    failed = {skip.stage for skip in trace.skipped if skip.failed}
    result = []
    for stage in STAGES:
        ranking = trace.ranking(stage)
        if ranking is not None:
            foot = _foot(stage, len(ranking), trace.asked.get(stage, len(ranking)))
            note = _note(trace, stage)
            result.append(Column(stage, STAGE_NAMES[stage], note, ranking.ranks(), foot))
        elif stage in failed:
            result.append(Column(stage, STAGE_NAMES[stage], _note(trace, stage), {}, "left out", ran=False))
    if trace.context:
        cited = {c.passage_id for c in trace.answer.citations} if trace.answer else set()
        markers = {c.passage_id: c.marker for c in trace.context}
        foot = f"{len(markers)} used, {len(cited & markers.keys())} cited"
        result.append(Column("answer", STAGE_NAMES["answer"], "passage number", markers, foot))
    return result


def _note(trace: Trace, stage: str) -> str:
    """What a stage goes by, in a word."""
    ranking = trace.ranking(stage)
    if stage == "fused" and ranking is not None:
        return SCALE_NAMES.get(ranking.kind, ranking.kind)
    return voice(trace, stage) if stage in (*BEFORE, "reranked") else STAGE_MEANINGS[stage]


def _foot(stage: str, number: int, asked: int) -> str:
    match stage:
        case "bm25" | "knn":
            return f"{number:,} found"
        case "fused":
            return f"{number:,} different"
        case "late" | "reranked":
            return f"{number:,} of {asked:,} scored"
        case "coarse" | "middle":
            return f"{number:,} of {asked:,}"
        case _:
            return f"{number:,} in order"


def lines(trace: Trace, stages: list[Column]) -> list[Line]:
    """One line per passage, in the final order; `number` is the passage's row in the table, from 1."""
    fate, passages = fates(trace), trace.passages
    cited = {c.passage_id for c in trace.answer.citations} if trace.answer else set()
    return [
        Line(
            number,
            passages[pid],
            fate.get(pid, "rest"),
            tuple((i, column.ranks[pid]) for i, column in enumerate(stages) if pid in column.ranks),
            pid in cited,
        )
        for number, pid in enumerate(trace.movements(), start=1)
    ]


def legend(trace: Trace) -> list[tuple[Fate, int]]:
    """How many lines there are of each colour."""
    fate = list(fates(trace).values())
    rest = len(trace.movements()) - len(fate)
    return [
        ("rose", fate.count("rose")),
        ("stayed", fate.count("stayed")),
        ("pushed", fate.count("pushed")),
        ("rest", rest),
    ]
