"""A document to be read: its text in blocks, headings and pages marked, the cited words in place."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from search_app.pages.spans import Piece, cut, merged

OUTLINE_LIMIT = 200


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
) -> dict[str, Any]:
    """The context of `document/page.html`.

    `headings` are `(start, level, text)`, `pages` the character at which each page begins, `span` the
    cited characters. Positions outside the text are ignored: an old link opens the document all the same.
    """
    found = blocks(text, headings, pages, span)
    cited = merged([span] if span else [], len(text))
    outline = [
        {"text": block.text, "level": block.level, "anchor": block.anchor}
        for block in found
        if block.kind == "heading"
    ]
    page = bisect_right(list(pages), cited[0][0]) if cited and pages else None
    return {
        "title": title,
        "repeats_title": bool(found)
        and found[0].kind == "heading"
        and found[0].text.strip() == title.strip(),
        "blocks": found,
        "outline": outline[:OUTLINE_LIMIT],
        "outline_more": max(0, len(outline) - OUTLINE_LIMIT),
        "page_count": len(pages),
        "cited_page": page,
        "has_span": bool(cited),
        "span_lost": span is not None and not cited,
        "empty": not text.strip(),
    }


def blocks(
    text: str,
    headings: Iterable[Sequence[Any]] = (),
    pages: Sequence[int] = (),
    span: tuple[int, int] | None = None,
) -> list[Block]:
    """The text cut where headings and pages begin. Pieces and gaps joined are the text."""
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
                f"at-{begin}",
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
