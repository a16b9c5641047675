"""Ranked texts in the shape of Cohere and Jina, and what Sieve says beyond it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rag.given import STAGE, relevance
from rag.trace import Trace
from rag.types import NOTHING_SPENT, Candidate
from search_app.api.rerank_body import UNUSED


def result(trace: Trace, trace_id: object, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for of the ranking, best first. Raw scores stand beside those from 0 to 1."""
    ranking = trace.ranking(STAGE)
    candidates = ranking.candidates if ranking else ()
    kind = ranking.kind if ranking else "logit"
    texts = len(asked["documents"])

    def line(candidate: Candidate) -> dict[str, Any]:
        at = candidate.passage.position
        shown = {
            "index": at,
            "relevance_score": relevance(kind, candidate.score, texts),
            "score": candidate.score,
        }
        return shown | ({"document": _shown(asked["documents"][at])} if asked.get("return_documents") else {})

    top = asked.get("top_n") or len(candidates)
    return {
        "id": str(trace_id),
        "model": trace.pipeline.partition(":")[2],
        "results": [line(candidate) for candidate in candidates[:top]],
        "usage": {"total_tokens": trace.spent.get(STAGE, NOTHING_SPENT).tokens},
        "meta": {"warnings": _warnings(trace, asked)},
        "kind": kind,
        "rerank": asdict(trace.rerank),
        "total_ms": round(trace.total_ms, 3),
    }


def _shown(document: str | Mapping[str, str]) -> Mapping[str, str]:
    return {"text": document} if isinstance(document, str) else document


def _warnings(trace: Trace, asked: Mapping[str, Any]) -> list[str]:
    unused = [name for name in UNUSED if asked.get(name) is not None]
    said = [f"Not followed here: {', '.join(unused)}."] if unused else []
    if trace.rerank.status == "partial":
        left = trace.rerank.asked - trace.rerank.scored
        said.append(f"There was no time to score {left} of the documents: they are not among the results.")
    return said
