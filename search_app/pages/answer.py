"""An answer to be read: its text cut at citations, the passages beside it, and how they were found."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

from rag.answers import Answer, Citation
from rag.trace import Trace
from rag.types import Passage
from search_app.pages import spent
from search_app.pages.links import answer_url, document_url, trace_url
from search_app.pages.spans import Piece, cut, excerpt, unwrapped
from search_app.pages.spent import BEFORE
from search_app.pages.words import count, milliseconds, path_of

MARKER = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
SENTENCE_END = re.compile(r"(?:(?<=[.!?。！？])|(?<=[.!?。！？][\"”’»」)]))\s+")
"""White space after the end of a sentence, which may be inside quotation marks."""
EXCERPT_AROUND = 120
EXCERPT_LIMIT = 320


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of the answer's text with the passages that support it, or a marker such as `[1]`."""

    text: str
    markers: tuple[int, ...]
    is_marker: bool = False
    spans: tuple[tuple[int, int] | None, ...] = ()
    """For a marker: what each of its numbers cites, in the document; None when the answer does not say."""

    @property
    def supported(self) -> bool:
        return bool(self.markers) or not any(c.isalnum() for c in self.text)


def segments(answer: Answer) -> list[Segment]:
    """The answer cut where support begins or ends and at its markers. The texts joined are the answer's.

    Only markers that the answer's citations know are markers; all else, `[7]` too, is text.
    """
    text, known = answer.text, {c.marker for c in answer.citations}
    marks: list[tuple[int, int, tuple[int, ...]]] = []
    for match in MARKER.finditer(text):
        numbers = tuple(int(n) for n in match[1].split(","))
        if set(numbers) <= known:
            marks.append((match.start(), match.end(), numbers))
    edges = {0, len(text)}
    for citation in answer.citations:
        edges.update(min(max(0, at), len(text)) for at in citation.answer_span)
    for start, end, _ in marks:
        edges = {at for at in edges if not start < at < end} | {start, end}
    by_start = {start: numbers for start, _, numbers in marks}
    result = []
    for start, end in pairwise(sorted(edges)):
        if start in by_start:
            numbers = by_start[start]
            spans = tuple(_cited_before(answer.citations, n, start) for n in numbers)
            result.append(Segment(text[start:end], numbers, True, spans))
        else:
            support = sorted({c.marker for c in answer.citations if _covers(c.answer_span, start, end)})
            result.append(Segment(text[start:end], tuple(support)))
    return result


def _covers(span: tuple[int, int], start: int, end: int) -> bool:
    return span[0] <= start and end <= span[1]


def _cited_before(citations: Sequence[Citation], marker: int, at: int) -> tuple[int, int] | None:
    """What a marker at character `at` cites: the nearest citation of that number that ends before it."""
    own = [c for c in citations if c.marker == marker]
    before = [c for c in own if c.answer_span[1] <= at]
    best = max(before, key=lambda c: c.answer_span[1]) if before else own[0] if own else None
    return best.span if best else None


def support(cut_answer: Iterable[Segment]) -> tuple[int, int]:
    """How many sentences the answer has, and how many of them stand on a passage."""
    text, supported = "", []
    for segment in cut_answer:
        if not segment.is_marker:
            text += segment.text
            supported.extend([segment.supported] * len(segment.text))
    said = backed = at = 0
    for sentence in SENTENCE_END.split(text):
        at = text.index(sentence, at)
        if any(c.isalnum() for c in sentence):
            said += 1
            backed += all(supported[at : at + len(sentence)])
        at += len(sentence)
    return said, backed


@dataclass(frozen=True, slots=True)
class Card:
    """A passage beside the answer. `marker` is None where nothing was handed over."""

    marker: int | None
    title: str
    path: str
    page: int | None
    collection: str
    url: str
    pieces: tuple[Piece, ...]
    """The part worth showing, the cited words marked."""
    cut_before: bool
    cut_after: bool
    cited: bool
    ranks: str
    """`BM25 7 · meaning 2 → final 1`."""
    purged: bool
    passage_id: str = ""
    rose: int | None = None
    """Places that reranking moved it up, where it did."""


def answer_context(trace: Trace, trace_id: object = None) -> dict[str, Any]:
    """What `search/_answer.html` and `search/_passages.html` show of a trace, finished or so far."""
    answer = trace.answer
    refused = answer is not None and answer.finish_reason == "no_answer"
    cut_answer = segments(answer) if answer else []
    said, supported = support(cut_answer) if answer and not refused else (0, 0)
    passages = trace.passages
    shown = cards(trace)
    return {
        "has_answer": True,
        "question": trace.query.text,
        "searched": trace.query.collections,
        "readable": trace.readable,
        "degraded": trace.degraded,
        "written": answer is not None,
        "no_answer": refused,
        "broken": answer is not None and answer.finish_reason in ("failed", "length"),
        "finish_reason": answer.finish_reason if answer else "",
        "segments": _shown(cut_answer, trace, refused),
        "unsupported": said - supported,
        "quotes": bool(cut_answer) and _only_quotes(cut_answer),
        "sentences": said,
        "nothing_found": not passages,
        "cards": shown,
        "cards_title": _cards_title(trace, shown, refused),
        "flow": flow(trace),
        "cost": spent.said(trace),
        "total": milliseconds(trace.total_ms),
        "answer_url": answer_url(trace_id) if trace_id else "",
        "trace_url": trace_url(trace_id) if trace_id else "",
    }


def _shown(cut_answer: Sequence[Segment], trace: Trace, refused: bool) -> list[dict[str, Any]]:
    """Segments for the template: markers become links to what they cite and stand close to their words."""
    passages = trace.passages
    by_marker = {c.marker: passages[c.passage_id] for c in trace.context if c.passage_id in passages}
    shown = []
    quotes = _only_quotes(cut_answer)
    for segment, following in zip_longest(cut_answer, cut_answer[1:]):
        text = segment.text
        if quotes and shown and text.startswith(" “"):
            text = "\n\n" + text[1:]
        if following is not None and following.is_marker and not segment.is_marker:
            text = text.rstrip(" ")
        lead = text[: len(text) - len(text.lstrip())]
        shown.append({"lead": lead} | _linked(segment, text.lstrip(), by_marker, refused))
    return shown


def _only_quotes(cut_answer: Sequence[Segment]) -> bool:
    """Whether the answer is nothing but quotations, each with its marker: then each has its own line."""
    text = "".join("\0" if segment.is_marker else segment.text for segment in cut_answer)
    quotations = text.rstrip("\0 ").split("\0")
    return all(q.strip().startswith("“") and q.strip().endswith("”") for q in quotations)


def _linked(segment: Segment, text: str, by_marker: Mapping[int, Passage], refused: bool) -> dict[str, Any]:
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
        "unsupported": not (segment.supported or segment.is_marker or refused),
    }


def _cards_title(trace: Trace, shown: Sequence[Card], refused: bool) -> str:
    if refused:
        return "What was found instead" if shown else ""
    return "Passages used" if trace.context else "Passages found"


def cards(trace: Trace) -> list[Card]:
    """The passages handed over, by number; where none were, the best five of the order so far."""
    passages = trace.passages
    chosen = [(c.marker, passages[c.passage_id]) for c in trace.context if c.passage_id in passages]
    numbered: list[tuple[int | None, Passage]] = [*chosen]
    if not numbered:
        numbered = [(None, c.passage) for c in trace.final[:5]]
    citations = trace.answer.citations if trace.answer else ()
    return [_card(trace, marker, passage, citations) for marker, passage in numbered]


def _card(trace: Trace, marker: int | None, passage: Passage, citations: Sequence[Citation]) -> Card:
    cited = [c.span for c in citations if c.passage_id == passage.id]
    lead = _own_heading(passage)
    begin = passage.span[0] + (lead if all(a >= passage.span[0] + lead for a, _ in cited) else 0)
    pieces = cut(passage.text[begin - passage.span[0] :], ((a - begin, b - begin) for a, b in cited))
    shown, before, after = excerpt(pieces, EXCERPT_AROUND, EXCERPT_LIMIT)
    span = (min(a for a, _ in cited), max(b for _, b in cited)) if cited else None
    return Card(
        marker=marker,
        title=passage.title or f"Passage {passage.id}",
        path=path_of(passage),
        page=passage.page,
        collection=passage.collection,
        url=document_url(passage, span),
        pieces=tuple(Piece(unwrapped(piece.text), piece.cited) for piece in shown),
        cut_before=before,
        cut_after=after,
        cited=bool(cited),
        ranks=ranks_line(trace, passage.id),
        purged=not passage.text,
        passage_id=passage.id,
        rose=_rose(trace, passage.id),
    )


def _rose(trace: Trace, passage_id: str) -> int | None:
    """By how many places a passage stands higher in the final order than in the fused one."""
    fused, final = trace.ranking("fused"), trace.ranking("final")
    if fused is None or final is None:
        return None
    before, after = fused.ranks().get(passage_id), final.ranks().get(passage_id)
    return before - after if before and after and after < before else None


def _own_heading(passage: Passage) -> int:
    """Characters at the start of a passage that only repeat its heading or title, which stand on the card."""
    line, _, rest = passage.text.lstrip().partition("\n")
    named = {name.casefold() for name in (passage.title, *passage.headings)}
    if not rest.strip() or line.strip().casefold() not in named:
        return 0
    return len(passage.text) - len(rest.lstrip())


def ranks_line(trace: Trace, passage_id: str) -> str:
    """`BM25 7 · meaning 2 → final 1`; a leg that did not find the passage has a dash."""

    def rank(stage: str) -> str:
        ranking = trace.ranking(stage)
        found = ranking.ranks().get(passage_id) if ranking else None
        return f"{found:,}" if found else "–"

    last = "final" if trace.ranking("final") else "fused"
    return f"BM25 {rank('bm25')} · meaning {rank('knn')} → {last} {rank(last)}"


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
