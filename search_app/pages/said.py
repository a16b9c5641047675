"""What an answer says, cut for reading: its citations, and what is known of each of its sentences.

Every place that shows an answer's text shows what this gives: the page while it is written, the finished
page, a conversation, the API.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.answers import Answer, Check, Citation
from rag.trace import Trace
from rag.types import Passage

MARKER = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
SENTENCE_END = re.compile(r"(?:(?<=[.!?。！？])|(?<=[.!?。！？][\"”’»」)]))\s+")
"""White space after the end of a sentence, which may be inside quotation marks."""
NAMES_NO_PASSAGE = "It names no passage."

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of the answer's text with the passages that it names, or a marker such as `[1]`."""

    text: str
    markers: tuple[int, ...]
    is_marker: bool = False
    spans: tuple[Span | None, ...] = ()
    """For a marker: what each of its numbers cites, in the document; None when the answer does not say."""
    check: Check | None = None
    """What was found of the sentence it is in, where that is not that it is supported."""
    ends_check: bool = False
    """Whether that sentence ends with it."""


def segments(answer: Answer, checks: Sequence[Check] = (), quoted: Sequence[Span] = ()) -> list[Segment]:
    """The answer cut at its markers, and where a citation or a doubt begins or ends.

    The texts joined are the answer's. Only markers that the answer's citations know are markers, and none
    inside `quoted`, which is a document's own text; all else, `[7]` too, is text.
    """
    text, known = answer.text, {c.marker for c in answer.citations}
    marks: list[tuple[int, int, tuple[int, ...]]] = []
    for match in MARKER.finditer(text):
        numbers = tuple(int(n) for n in match[1].split(","))
        if set(numbers) <= known and not any(a <= match.start() < b for a, b in quoted):
            marks.append((match.start(), match.end(), numbers))
    doubts = [check for check in checks if check.verdict != "supported"]
    edges = {0, len(text)}
    for span in (*(c.answer_span for c in answer.citations), *(doubt.span for doubt in doubts)):
        edges.update(min(max(0, at), len(text)) for at in span)
    for start, end, _ in marks:
        edges = {at for at in edges if not start < at < end} | {start, end}
    by_start = {start: numbers for start, _, numbers in marks}
    result = []
    for start, end in pairwise(sorted(edges)):
        if start in by_start:
            numbers = by_start[start]
            spans = tuple(_cited_before(answer.citations, n, start) for n in numbers)
            result.append(Segment(text[start:end], numbers, True, spans))
            continue
        named = sorted({c.marker for c in answer.citations if _covers(c.answer_span, start, end)})
        doubt = next((one for one in doubts if _covers(one.span, start, end)), None)
        last = doubt is not None and end >= min(doubt.span[1], len(text))
        result.append(Segment(text[start:end], tuple(named), check=doubt, ends_check=last))
    return result


def _covers(span: Span, start: int, end: int) -> bool:
    return span[0] <= start and end <= span[1]


def _cited_before(citations: Sequence[Citation], marker: int, at: int) -> Span | None:
    """What a marker at character `at` cites: the nearest citation of that number that ends before it."""
    own = [c for c in citations if c.marker == marker]
    before = [c for c in own if c.answer_span[1] <= at]
    best = max(before, key=lambda c: c.answer_span[1]) if before else own[0] if own else None
    return best.span if best else None


def of_trace(trace: Trace, *, live: bool = False) -> list[Segment]:
    """The segments of a trace's answer; no sentence is doubted while it is written."""
    if trace.answer is None:
        return []
    return segments(trace.answer, () if live else checked(trace), verbatim(trace))


def answer_text(trace: Trace) -> str:
    """The words of an answer without its markers."""
    words = "".join(segment.text for segment in of_trace(trace) if not segment.is_marker)
    return words.replace(" .", ".")


def verbatim(trace: Trace) -> list[Span]:
    """The parts of the answer that repeat, character by character, what they cite."""
    if trace.answer is None:
        return []
    handed = {passage.id: passage for _, passage in trace.handed}
    return [
        c.answer_span
        for c in trace.answer.citations
        if c.passage_id in handed
        and trace.answer.text[slice(*c.answer_span)] == cited_text(handed[c.passage_id], c.span)
    ]


def cited_text(passage: Passage, span: Span) -> str:
    """The characters `span` of its document, as far as they stand in this passage."""
    begin = passage.span[0]
    return passage.text[max(0, span[0] - begin) : max(0, span[1] - begin)]


def checked(trace: Trace) -> tuple[Check, ...]:
    """A check for each sentence of the answer: those of the trace; where there are none, by its citations.

    By these a sentence is supported when all of it is said to come from a passage. A refusal has none, and
    neither has an answer that the spec has checked and that was not, which is `unchecked` throughout.
    """
    answer = trace.answer
    if answer is None or answer.finish_reason == "no_answer":
        return ()
    if trace.checks:
        return trace.checks
    found = tuple(_by_citations(segments(answer, (), verbatim(trace))))
    if not trace.spec.get("verify"):
        return found
    reason = next((skip.reason for skip in trace.skipped if skip.stage == "verify"), "It was not checked.")
    return tuple(
        check
        if check.verdict == "unsupported"
        else Check(check.span, "unchecked", check.markers, None, reason)
        for check in found
    )


def _by_citations(cut: Sequence[Segment]) -> Iterator[Check]:
    """What is cited is supported. Spans are those of the answer, without markers at their ends."""
    text, at = "", 0
    places: list[int] = []
    owners: list[Segment] = []
    for segment in cut:
        if not segment.is_marker:
            text += segment.text
            places.extend(range(at, at + len(segment.text)))
            owners.extend([segment] * len(segment.text))
        at += len(segment.text)
    begin = 0
    for sentence in SENTENCE_END.split(text):
        begin = text.index(sentence, begin)
        end = begin + len(sentence)
        kept = sentence.strip()
        if any(c.isalnum() for c in kept):
            first = begin + sentence.index(kept)
            span = (places[first], places[first + len(kept) - 1] + 1)
            own = owners[begin:end]
            backed = all(s.markers or not any(c.isalnum() for c in s.text) for s in own)
            markers = tuple(sorted({n for s in own for n in s.markers}))
            reason = "" if backed else NAMES_NO_PASSAGE
            yield Check(span, "supported" if backed else "unsupported", markers, None, reason)
        begin = end


def counts(checks: Sequence[Check]) -> Mapping[str, int]:
    """How many sentences there are of each verdict."""
    verdicts = [check.verdict for check in checks]
    return {verdict: verdicts.count(verdict) for verdict in ("supported", "unsupported", "unchecked")}
