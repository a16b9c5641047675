"""A document to be read: its text in blocks, headings and pages marked, the cited words in place."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from search_app.pages.spans import Piece, cut, merged

OUTLINE_LIMIT = 200
WHOLE = 120_000
"""Characters of a text that is shown whole; of a longer one a part is shown."""
PART = 60_000
"""Characters of such a part, about."""


@dataclass(frozen=True, slots=True)
class Block:
    """A heading or a run of paragraphs on one page: its pieces and then its `gap` are a part of the text."""

    kind: str
    """`heading` or `text`."""
    level: int
    """Of a heading, from 1."""
    pieces: tuple[Piece, ...]
    gap: str
    """White space that follows and is not shown."""
    page: int | None
    """Number of the page that begins with this block."""
    anchor: str
    first_cited: bool
    """Whether the cited words begin in this block."""

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def document_context(
    title: str,
    text: str,
    headings: Iterable[Sequence[Any]] = (),
    pages: Sequence[int] = (),
    span: tuple[int, int] | None = None,
    *,
    at: int | None = None,
) -> dict[str, Any]:
    """The context of `document/page.html`.

    `headings` are `(start, level, text)`, `pages` the character at which each page begins, `span` the
    cited characters. Positions outside the text are ignored: an old link opens the document all the same.
    Of a long text the part around `at` is shown, else the one around the span, else the first one.
    """
    length = len(text)
    cited = merged([span] if span else [], length)
    first, last = part_of(text, at if at is not None else cited[0][0] if cited else 0)
    headings = [h for h in headings if 0 <= h[0] < length]
    found = blocks(
        text[first:last],
        [(start - first, level, words) for start, level, words in headings if first <= start < last],
        [start - first for start in pages],
        (cited[0][0] - first, cited[0][1] - first) if cited else None,
        offset=first,
    )
    shown_span = bool(cited) and cited[0][0] < last and cited[0][1] > first
    return {
        "title": title,
        "repeats_title": bool(found)
        and found[0].kind == "heading"
        and found[0].text.strip() == title.strip(),
        "blocks": found,
        "outline": outline(text, headings, first, last),
        "outline_more": max(0, len(headings) - OUTLINE_LIMIT),
        "page_count": len(pages),
        "cited_page": bisect_right(list(pages), cited[0][0]) if cited and pages else None,
        "has_span": shown_span,
        "cited_at": cited[0][0] if cited and not shown_span else None,
        "span_lost": span is not None and not cited,
        "empty": not text or text.isspace(),
        "before": max(0, first - PART // 4) if first else None,
        "after": last + PART // 4 if last < length else None,
        "part": (first, last) if last - first < length else None,
        "shown_from": round(100 * first / length) if length else 0,
        "shown_to": round(100 * last / length) if length else 100,
    }


def part_of(text: str, at: int) -> tuple[int, int]:
    """The characters to show: all of a short text, else about `PART` around `at`, cut at lines."""
    if len(text) <= WHOLE:
        return 0, len(text)
    first = min(max(0, at - PART // 2), len(text) - PART)
    last = first + PART
    if first:
        line = text.find("\n", first, first + PART // 8)
        first = line + 1 if line >= 0 and line < at else first
    if last < len(text):
        line = text.rfind("\n", last - PART // 8, last)
        last = line + 1 if line > at else last
    return first, last


def outline(text: str, headings: Sequence[Sequence[Any]], first: int, last: int) -> list[dict[str, Any]]:
    """The first headings of a document; those outside the part shown have `at`, the place to ask for."""
    shown = []
    for start, level, words in headings[:OUTLINE_LIMIT]:
        end = text.find("\n", start)
        words = words or text[start : end if end >= 0 else len(text)]
        lead = len(text[start : start + 200]) - len(text[start : start + 200].lstrip("\n"))
        entry = {"text": words, "level": min(6, max(1, level)), "anchor": f"at-{start + lead}"}
        entry["at"] = None if first <= start < last else start
        shown.append(entry)
    return shown


def blocks(
    text: str,
    headings: Iterable[Sequence[Any]] = (),
    pages: Sequence[int] = (),
    span: tuple[int, int] | None = None,
    *,
    offset: int = 0,
) -> list[Block]:
    """The text cut where headings and pages begin. Pieces and gaps joined are the text.

    Positions count from the text's first character; anchors add `offset`, its place in the document.
    """
    levels: dict[int, int] = {}
    edges = {0, len(text)}
    for start, level, _ in headings:
        if 0 <= start < len(text):
            levels[start] = level
            end = text.find("\n", start)
            edges.update((start, len(text) if end < 0 else end))
    page_at = {start: number for number, start in enumerate(pages, start=1) if 0 <= start < len(text)}
    edges.update(page_at)
    cited = merged([span] if span else [], len(text))
    result: list[Block] = []
    for start, end in pairwise(sorted(edges)):
        raw = text[start:end]
        body = raw.strip("\n")
        lead = len(raw) - len(raw.lstrip("\n")) if body else 0
        if not body or lead:
            # Empty lines between blocks belong to the block before, or stand alone at the very start.
            space = raw[:lead] if body else raw
            if result and start not in page_at:
                result[-1] = _with_gap(result[-1], space)
            else:
                result.append(Block("text", 0, (), space, page_at.get(start), "", False))
            if not body:
                continue
        begin = start + lead
        pieces = cut(body, ((a - begin, b - begin) for a, b in cited))
        result.append(
            Block(
                "heading" if start in levels else "text",
                min(6, max(1, levels.get(start, 1))),
                tuple(pieces),
                raw[lead + len(body) :],
                page_at.get(start) if not lead else None,
                f"at-{offset + begin}",
                bool(cited) and begin <= cited[0][0] < begin + len(body),
            )
        )
    return result


def _with_gap(block: Block, space: str) -> Block:
    return Block(
        block.kind,
        block.level,
        block.pieces,
        block.gap + space,
        block.page,
        block.anchor,
        block.first_cited,
    )
