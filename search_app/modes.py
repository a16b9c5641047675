"""In which mode a question was searched: what an outage of the index, or of a part of it, left of it."""

from rag.retrieve import LEGS
from rag.trace import Trace

FULL, BM25_ONLY, KNN_ONLY, PARTIAL, DOWN = MODES = ("full", "bm25_only", "knn_only", "partial", "down")
"""By words and by meaning; by words; by meaning; only a part of the index; not at all."""


def mode(trace: Trace) -> str:
    """One of `MODES`; empty for a question that was broken off before it was searched.

    A leg that is lost counts before a part of the index that is.
    """
    lost = {skip.stage for skip in trace.skipped if skip.failed and skip.stage in LEGS}
    found = {stage for stage in LEGS if trace.ranking(stage)}
    if not found:
        return DOWN if lost else ""
    if "knn" in lost:
        return BM25_ONLY
    if "bm25" in lost:
        return KNN_ONLY
    return PARTIAL if trace.partial_index else FULL


def worth_keeping(answer: object) -> bool:
    """Whether an answer of the API may be given again to who asks the same: never one that lacks something.

    The rule for whoever keeps answers: passages that a part of the index did not give are there a moment
    later. It looks into every part of the answer.
    """
    if isinstance(answer, dict):
        if answer.get("partial_index") or answer.get("degraded"):
            return False
        return all(worth_keeping(value) for value in answer.values())
    if isinstance(answer, list | tuple):
        return all(worth_keeping(value) for value in answer)
    return True
