"""Passages of one document that follow each other, made one.

The splitter leaves nothing but white space between two passages, and no index keeps it. So a gap is filled
with as many line breaks as it has characters: every position in the joined text is that of the document's
text, and every character is, but for the kind of white space between passages.
"""

from dataclasses import replace
from itertools import takewhile

from rag.types import Passage

GAP = 16
"""Characters: what is further apart has something else between it."""


def touch(one: Passage, other: Passage) -> bool:
    """Whether they are of one document version, with nothing but white space between, and agree where they
    overlap."""
    if (one.document_id, one.version) != (other.document_id, other.version):
        return False
    first, second = sorted((one, other), key=lambda p: p.span)
    if any(p.span[1] - p.span[0] != len(p.text) for p in (first, second)):
        return False
    apart = second.span[0] - first.span[1]
    if apart > 0:
        return apart <= GAP
    if second.span[1] <= first.span[1]:
        inner = second.span[0] - first.span[0]
        return first.text[inner : inner + len(second.text)] == second.text
    return apart == 0 or first.text[apart:] == second.text[:-apart]


def join(better: Passage, other: Passage) -> Passage:
    """Both in the order of the document, under the id of the better one; they must `touch`."""
    first, second = sorted((better, other), key=lambda p: p.span)
    end = max(first.span[1], second.span[1])
    apart = second.span[0] - first.span[1]
    text = first.text + "\n" * apart + second.text[max(0, -apart) :]
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(better.headings, other.headings, strict=False))
    return replace(
        better,
        text=text,
        span=(first.span[0], end),
        headings=tuple(heading for heading, _ in shared),
        page=first.page,
        tokens=better.tokens + other.tokens,
    )
