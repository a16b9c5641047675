"""A trace as the answer of the API: what was found, where each passage stood, and what was said."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rag.answers import Check
from rag.trace import Trace
from rag.types import Candidate
from search_app.pages.links import answer_url, document_url
from search_app.pages.said import checked, counts
from search_app.pages.spent import stages_of

Absolute = Callable[[str], str]
"""Path of this site → whole address."""


def found(trace: Trace, trace_id: object) -> dict[str, Any]:
    """What every answer says of how it was found."""
    return {
        "trace_id": str(trace_id),
        "question": trace.query.text,
        "collections": list(trace.query.collections),
        "pipeline": trace.pipeline,
        "rerank": asdict(trace.rerank),
        "degraded": list(trace.degraded),
        "partial_index": trace.partial_index,
        "readable": trace.readable,
        "spent": {stage: asdict(cost) for stage, cost in trace.spent.items()},
        "total_ms": round(trace.total_ms, 3),
        "timings": [asdict(timing) for timing in trace.timings],
        "suggestion": None,
    }


def searched(trace: Trace, trace_id: object, top: int, absolute: Absolute) -> dict[str, Any]:
    """The best passages, in the final order."""
    ranked = list(enumerate(trace.final, start=1))[:top]
    return found(trace, trace_id) | {"passages": _passages(trace, ranked, absolute)}


def answered(trace: Trace, trace_id: object, absolute: Absolute) -> dict[str, Any]:
    """The answer, with the passages that were handed over; where none were, the best five."""
    handed = {c.passage_id for c in trace.context}
    ranked = list(enumerate(trace.final, start=1))
    chosen = [(rank, c) for rank, c in ranked if c.passage.id in handed] if handed else ranked[:5]
    return found(trace, trace_id) | {
        "passages": _passages(trace, chosen, absolute),
        "answer": _answer(trace, absolute),
        "rewritten": asdict(trace.rewriting) if trace.rewriting else None,
        "expansion": asdict(trace.expansion) if trace.expansion else None,
        "confidence": _confidence(trace),
        "usage": asdict(trace.usage) if trace.usage else None,
        "first_ms": trace.first_ms,
        "url": absolute(answer_url(trace_id)),
    }


def _answer(trace: Trace, absolute: Absolute) -> dict[str, Any] | None:
    answer, passages = trace.answer, trace.passages
    if answer is None:
        return None
    checks = checked(trace)
    return {
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "confidence": answer.confidence,
        "citations": [
            {
                "marker": c.marker,
                "passage_id": c.passage_id,
                "document_id": int(passages[c.passage_id].document_id),
                "span": list(c.span),
                "answer_span": list(c.answer_span),
                "url": absolute(document_url(passages[c.passage_id], c.span)),
            }
            for c in answer.citations
        ],
        "sentences": [_sentence(check) for check in checks],
        "unsupported": counts(checks)["unsupported"],
        "unknown_markers": answer.unknown_markers,
    }


SUPPORTED = {"supported": "true", "unsupported": "false", "unchecked": "unchecked"}


def _sentence(check: Check) -> dict[str, Any]:
    return {
        "span": list(check.span),
        "supported": SUPPORTED[check.verdict],
        "markers": list(check.markers),
        "score": check.score,
        "reason": check.reason,
    }


def _confidence(trace: Trace) -> dict[str, Any] | None:
    weighed = trace.confidence
    return {"value": weighed.value, "features": dict(weighed.features)} if weighed else None


def _passages(trace: Trace, ranked: list[tuple[int, Candidate]], absolute: Absolute) -> list[dict[str, Any]]:
    markers = {c.passage_id: c.marker for c in trace.context}
    ranks = {ranking.stage: ranking.ranks() for ranking in trace.rankings}
    scores = {ranking.stage: ranking.scores() for ranking in trace.rankings}
    widened = {passage.id: passage for passage in trace.widened}
    stages = stages_of(trace)
    shown = []
    for rank, candidate in ranked:
        passage = widened.get(candidate.passage.id, candidate.passage)
        places = {
            ranking.stage: {"rank": at, "score": scores[ranking.stage][passage.id], "kind": ranking.kind}
            for ranking in trace.rankings
            if (at := ranks[ranking.stage].get(passage.id))
        }
        shown.append(
            {
                "rank": rank,
                "marker": markers.get(passage.id),
                "passage_id": passage.id,
                "document_id": int(passage.document_id),
                "version": passage.version,
                "collection": passage.collection,
                "title": passage.title,
                "headings": list(passage.headings),
                "text": passage.text,
                "span": list(passage.span),
                "page": passage.page,
                "url": absolute(document_url(passage)),
                "stages": {stage: places.get(stage) for stage in stages},
            }
        )
    return shown
