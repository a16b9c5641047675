"""Run a stored trace again, and say what differs.

What replay promises: from a stored stage, the same rankings (scores within 1e-4 across devices); from
the index, the same only while the index version is unchanged, and the difference names what changed.
Generated text may differ, so answers are compared by what they cite.
"""

import math
from dataclasses import dataclass

from rag.trace import Trace
from rag.types import Ranking

SCORE_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was. `ranking` is True where an order or a score changed."""

    where: str
    sentence: str
    ranking: bool = True


def difference(old: Trace, new: Trace, tolerance: float = SCORE_TOLERANCE) -> list[Difference]:
    """What differs between two traces of a question; empty when both tell the same story."""
    found: list[Difference] = []
    for name in ("fingerprint", "index_version"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            found.append(Difference(name, f"{name} was {before} and is {after}", ranking=False))
    if old.question != new.question:
        said = f"was understood as {old.question!r} and is understood as {new.question!r}"
        found.append(Difference("question", f"the question {said}", ranking=False))
    stages = dict.fromkeys(r.stage for trace in (old, new) for r in trace.rankings)
    for stage in stages:
        found += _of_stage(stage, old.ranking(stage), new.ranking(stage), tolerance)
    if _ended(old) != _ended(new):
        said = f"the answer was {_ended(old)} and is {_ended(new)}"
        found.append(Difference("answer", said, ranking=False))
    if _cited(old) != _cited(new):
        found.append(Difference("answer", "the answer cites other passages", ranking=False))
    return found


def _ended(trace: Trace) -> str:
    return trace.answer.finish_reason if trace.answer else "not written"


def _of_stage(stage: str, old: Ranking | None, new: Ranking | None, tolerance: float) -> list[Difference]:
    if old is None or new is None:
        gone = "ran before and did not run now" if new is None else "did not run before and ran now"
        return [Difference(stage, f"{stage} {gone}")]
    before, after = old.ranks(), new.ranks()
    found = [
        Difference(stage, f"{pid} was {_rank(before.get(pid))} and is {_rank(after.get(pid))}")
        for pid in dict.fromkeys([*before, *after])
        if before.get(pid) != after.get(pid)
    ]
    scores = new.scores()
    moved = [
        (pid, score, scores[pid])
        for pid, score in old.scores().items()
        if pid in scores and not math.isclose(score, scores[pid], rel_tol=tolerance, abs_tol=tolerance)
    ]
    if moved and not found:
        pid, was, now = max(moved, key=lambda row: abs(row[1] - row[2]))
        found.append(
            Difference(stage, f"{len(moved)} {old.kind} scores moved, {pid} the most: {was:.5f} to {now:.5f}")
        )
    return found


def _rank(rank: int | None) -> str:
    return "not ranked" if rank is None else f"at rank {rank}"


def _cited(trace: Trace) -> list[str]:
    return [c.passage_id for c in trace.answer.citations] if trace.answer else []
