"""An answer cut into what is checked: its sentences with the passages that each cites.

A marker belongs to the sentence that it stands in or behind; at the beginning of a line, to the one that
follows. An answer made of nothing but quotations is cut into those, whatever is inside them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.answers import Answer
from rag.phrases import normal
from rag.sentences import Span, sentences
from rag.types import Passage

MARKER = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_STOP_BEHIND = re.compile(r"\s+[.!?…。]+\Z")
_LEADS = re.compile(r"[^\n]*[:：]\Z")
LEADING_WORDS = 14
"""A line of at most so many words and no number that ends in a colon only leads to what follows."""
_TELLS_NOTHING = re.compile(
    r"\b(?:documents?|passages?|context|sources?|text|information|i|we|there)\b[^.]*"
    r"\b(?:do(?:es)? not|don[’']t|doesn[’']t|cannot|can[’']t|is no|are no|no)\b[^.]*"
    r"\b(?:say|mention|specify|state|provide|contain|include|give|tell|answer|information|details?|data)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the answer."""

    span: Span
    """Characters of the answer's text; markers at its ends are left out."""
    text: str
    """Its words, without any marker."""
    markers: tuple[int, ...]
    """The passages that it cites, in order; those that were not handed over, too."""
    verbatim: bool = False
    """Whether it is known to stand in the passage that it cites, character for character."""


def claims(answer: Answer, context: Sequence[tuple[int, Passage]]) -> list[Claim]:
    """The sentences of the answer, in order; every character outside them is marker or says nothing."""
    text = answer.text
    marks = [(m.span(), tuple(int(n) for n in re.findall(r"\d+", m[1]))) for m in MARKER.finditer(text)]
    plain = MARKER.sub(lambda m: " " * len(m[0]), text)
    quoted = _quoted(answer, dict(context))
    rest = plain
    for start, end in quoted:
        rest = rest[:start] + " " * (end - start) + rest[end:]
    if quoted and not any(c.isalnum() for c in rest):
        found = [Claim(span, text[slice(*span)], (), True) for span in quoted]
    else:
        for start, end in quoted:
            plain = plain[:start] + "x" * (end - start - 1) + plain[end - 1 :]
        spans = [span for span in sentences(plain) if any(c.isalnum() for c in plain[slice(*span)])]
        found = [_claim(text, span) for span in spans]
    cited: list[list[int]] = [[] for _ in found]
    for (start, _), numbers in marks:
        if (at := _owner(text, start, found)) is not None:
            cited[at] += numbers
    return [
        replace(_trimmed(text, claim), markers=tuple(dict.fromkeys(numbers)))
        for claim, numbers in zip(found, cited, strict=True)
    ]


def leads_only(claim: Claim) -> bool:
    """Whether the sentence claims nothing that a passage could carry.

    It leads to what follows ("The steps are:"), or says that the documents do not tell.
    """
    if any(c.isdigit() for c in claim.text):
        return False
    leads = _LEADS.match(claim.text) is not None and len(claim.text.split()) <= LEADING_WORDS
    return leads or _TELLS_NOTHING.search(claim.text) is not None


def stands_verbatim(claim: Claim, passages: Sequence[Passage]) -> bool:
    """Whether each of its sentences is a whole sentence of one of the passages, but for case and space."""
    if claim.verbatim:
        return True
    parts = [_bare(claim.text[slice(*span)]) for span in sentences(claim.text)]
    there = {_bare(p.text[slice(*span)]) for p in passages for span in sentences(p.text)}
    return bool(parts) and all(part in there for part in parts) and any(" " in part for part in parts)


def _bare(sentence: str) -> str:
    return normal(sentence).strip(" .!?…\"'“”„«»*-•")


def _quoted(answer: Answer, passages: dict[int, Passage]) -> list[Span]:
    """Where the answer has exactly the characters that it cites."""
    found: list[Span] = []
    for citation in sorted(answer.citations, key=lambda c: c.answer_span):
        (start, end), passage = citation.answer_span, passages.get(citation.marker)
        if passage is None or not 0 <= start < end <= len(answer.text):
            continue
        first = passage.span[0]
        cited = passage.text[max(0, citation.span[0] - first) : max(0, citation.span[1] - first)]
        if cited == answer.text[start:end] and (not found or found[-1][1] <= start):
            found.append((start, end))
    return found


def _claim(text: str, span: Span) -> Claim:
    return Claim(span, " ".join(MARKER.sub(" ", text[slice(*span)]).split()), ())


def _trimmed(text: str, claim: Claim) -> Claim:
    """Without a marker at its end, and the full stop behind that."""
    start, end = claim.span
    plain = MARKER.sub(lambda m: " " * len(m[0]), text[start:end])
    kept = _STOP_BEHIND.sub("", plain) if plain != text[start:end] else plain
    return replace(claim, span=(start, start + len(kept.rstrip())))


def _owner(text: str, at: int, found: Sequence[Claim]) -> int | None:
    """Which sentence a marker at this place belongs to."""
    before = [i for i, claim in enumerate(found) if claim.span[0] <= at]
    after = next((i for i, claim in enumerate(found) if claim.span[0] > at), None)
    if before and at < found[before[-1]].span[1]:
        return before[-1]
    line = text[text.rfind("\n", 0, at) + 1 : at]
    begins = not any(c.isalnum() for c in MARKER.sub("", line))
    if after is not None and (not before or (begins and "\n" not in text[at : found[after].span[0]])):
        return after
    return before[-1] if before else None
