"""What the pages say of a trace in a few words: its reranking and its answer."""

from rag.trace import Trace
from search_app import modes
from search_app.pages import said
from search_app.pages.words import count

SEARCHED = {
    modes.BM25_ONLY: "searched by words only",
    modes.KNN_ONLY: "searched by meaning only",
    modes.PARTIAL: "a part of the index searched",
    modes.DOWN: "nothing searched",
}


def rerank_said(trace: Trace) -> str:
    status = trace.rerank
    match status.status:
        case "applied":
            return f"reranked {status.scored:,} of {status.asked:,}"
        case "partial":
            return f"rerank partial: {status.scored:,} of {status.asked:,}"
        case "fallback":
            return "rerank left out"
        case _:
            return "not reranked"


def searched_said(trace: Trace) -> str:
    """What was lost of the search, in a few words; empty where all of the index was searched both ways."""
    return SEARCHED.get(modes.mode(trace), "")


def answer_said(trace: Trace, *, gone: bool = False) -> str:
    if gone:
        return "answer gone with a deleted document"
    if not trace.index_version:
        return "texts that were sent to be ranked"
    if trace.answer is None:
        return "no answer was written" if trace.spec.get("generate") else "search only"
    if trace.answer.finish_reason == "no_answer":
        return "no answer in the documents"
    if trace.answer.finish_reason == "failed":
        return "answer broke off"
    if trace.answer.finish_reason == "stopped":
        return "answer was stopped"
    checks = said.checked(trace)
    number = said.counts(checks)
    unchecked = f", {number['unchecked']:,} not checked" if number["unchecked"] else ""
    return f"answer: {number['supported']} of {count(len(checks), 'sentence')} supported{unchecked}"
