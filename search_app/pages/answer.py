"""An answer to be read: what it says, the passages beside it, and how they were found."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rag.answers import Check
from rag.generate.base import NO_ANSWER
from rag.trace import Trace
from rag.types import Passage
from rag.writing import NOTHING_FOUND
from search_app.pages import spent
from search_app.pages.cards import cards, cards_title
from search_app.pages.links import answer_url, document_url, trace_url
from search_app.pages.said import Segment, checked, of_trace
from search_app.pages.spent import BEFORE
from search_app.pages.words import count, milliseconds, shorten

ENDED = {
    "length": "The answer stopped at its length limit, so its end is missing.",
    "failed": "The answer ends here: it could not be written to its end.",
    "stopped": "The answer ends here: it was stopped before it was whole.",
}
"""What is said below an answer that is not whole."""
SENTENCE = 160
"""Characters of a sentence in a list."""


def answer_context(trace: Trace, trace_id: object = None) -> dict[str, Any]:
    """What `search/_answer.html` and `search/_passages.html` show of a trace, finished or so far."""
    context = said_context(trace, trace_id)
    shown = cards(trace)
    return context | {
        "has_answer": True,
        "question": trace.query.text,
        "cards": shown,
        "cards_title": cards_title(trace, shown, context["no_answer"]),
        "cost": spent.said(trace),
        "total": milliseconds(trace.total_ms),
    }


def said_context(trace: Trace, trace_id: object = None, *, live: bool = False) -> dict[str, Any]:
    """What `search/_said.html` shows; `live` while the answer is written: nothing is final then."""
    answer = trace.answer
    refused = answer is not None and answer.finish_reason == "no_answer"
    if live and answer is not None:
        refused = answer.text in (NO_ANSWER, NOTHING_FOUND)
    cut = of_trace(trace, live=live)
    checks = () if live or refused else checked(trace)
    doubted = [check for check in checks if check.verdict == "unsupported"]
    return {
        "live": live,
        "searched": trace.query.collections,
        "readable": trace.readable,
        "degraded": trace.degraded,
        "rewriting": trace.rewriting,
        "expansion": trace.expansion,
        "written": answer is not None and bool(answer.text),
        "no_answer": refused,
        "ended": "" if live or answer is None else ENDED.get(answer.finish_reason, ""),
        "segments": _shown(cut, trace),
        "quotes": bool(cut) and _only_quotes(cut),
        "sentences": len(checks),
        "doubted": [_doubt(trace, check) for check in doubted],
        "unchecked": sum(check.verdict == "unchecked" for check in checks),
        "nothing_found": not live and not trace.passages,
        "flow": flow(trace),
        "answer_url": answer_url(trace_id) if trace_id else "",
        "trace_url": trace_url(trace_id) if trace_id else "",
    }


def _doubt(trace: Trace, check: Check) -> dict[str, str]:
    text = trace.answer.text[slice(*check.span)] if trace.answer else ""
    return {"text": shorten(text, SENTENCE), "reason": check.reason}


def _shown(cut: Sequence[Segment], trace: Trace) -> list[dict[str, Any]]:
    """Segments for the template: markers become links to what they cite and stand close to their words."""
    by_marker = dict(trace.handed)
    shown = []
    quotes = _only_quotes(cut)
    for segment, following in zip_longest(cut, cut[1:]):
        text = segment.text
        if quotes and shown and text.startswith(" “"):
            text = "\n\n" + text[1:]
        if following is not None and following.is_marker and not segment.is_marker:
            text = text.rstrip(" ")
        lead = text[: len(text) - len(text.lstrip())]
        shown.append({"lead": lead} | _linked(segment, text.lstrip(), by_marker))
    return shown


def _only_quotes(cut: Sequence[Segment]) -> bool:
    """Whether the answer is nothing but quotations, each with its marker: then each has its own line."""
    text = "".join("\0" if segment.is_marker else segment.text for segment in cut)
    quotations = text.rstrip("\0 ").split("\0")
    return all(q.strip().startswith("“") and q.strip().endswith("”") for q in quotations)


def _linked(segment: Segment, text: str, by_marker: Mapping[int, Passage]) -> dict[str, Any]:
    links = [
        {
            "marker": number,
            "title": by_marker[number].title,
            "url": document_url(by_marker[number], span) or f"#passage-{number}",
        }
        for number, span in zip(segment.markers, segment.spans, strict=False)
        if segment.is_marker and number in by_marker
    ]
    return {
        "text": text,
        "markers": segment.markers,
        "links": links,
        "doubt": segment.check if text else None,
        "ends_doubt": segment.ends_check,
    }


def flow(trace: Trace) -> list[dict[str, str]]:
    """The line of numbers: how many passages each stage left, from all that may be read to those used."""

    def leg(stage: str, name: str, joined: str) -> dict[str, str]:
        ranking = trace.ranking(stage)
        if ranking is None:
            return {"join": joined, "before": name, "number": "", "after": "left out"}
        return {"join": joined, "before": name, "number": f"{len(ranking):,}", "after": ""}

    readable = count(trace.readable, "passage").split(" ", 1)[1]
    steps = [{"join": "", "before": "", "number": f"{trace.readable:,}", "after": f"{readable} you may read"}]
    if not trace.rankings:
        return steps
    steps += [leg("bm25", "words", "→"), leg("knn", "meaning", "+")]
    fused, scored = trace.ranking("fused"), trace.ranking("reranked")
    last = "reranked"
    if fused is not None:
        steps.append({"join": "→", "before": "fused", "number": f"{len(fused):,}", "after": ""})
    for stage in BEFORE:
        if (ranking := trace.ranking(stage)) is not None:
            asked = f"of {trace.asked.get(stage, len(ranking)):,}"
            steps.append({"join": "→", "before": last, "number": f"{len(ranking):,}", "after": asked})
            last = "then"
    if scored is not None:
        asked = f"of {trace.rerank.asked:,}"
        steps.append({"join": "→", "before": last, "number": f"{len(scored):,}", "after": asked})
    elif trace.rerank.status == "fallback":
        steps.append({"join": "→", "before": "", "number": "", "after": "not reranked"})
    if trace.context:
        steps.append({"join": "→", "before": "", "number": f"{len(trace.context):,}", "after": "used"})
    return steps
