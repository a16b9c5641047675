"""The passages beside an answer, the cited words marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag.answers import Citation
from rag.trace import Trace
from rag.types import Passage
from search_app.pages.links import document_url
from search_app.pages.spans import Piece, cut, excerpt, unwrapped
from search_app.pages.words import path_of

EXCERPT_AROUND = 120
EXCERPT_LIMIT = 320


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


def cards_title(trace: Trace, shown: Sequence[Card], refused: bool) -> str:
    if refused:
        return "What was found instead" if shown else ""
    return "Passages used" if trace.context else "Passages found"


def cards(trace: Trace) -> list[Card]:
    """The passages handed over, by number, each as the generator read it; where none were, the best five."""
    numbered: list[tuple[int | None, Passage]] = [*trace.handed]
    if not numbered:
        numbered = [(None, c.passage) for c in trace.final[:5]]
    citations = trace.answer.citations if trace.answer else ()
    return [_card(trace, marker, passage, citations) for marker, passage in numbered]


def _card(trace: Trace, marker: int | None, passage: Passage, citations: Sequence[Citation]) -> Card:
    cited = [c.span for c in citations if c.passage_id == passage.id]
    begin = _begin(trace, passage, cited)
    pieces = cut(passage.text[begin - passage.span[0] :], ((a - begin, b - begin) for a, b in cited))
    shown, before, after = excerpt(pieces, EXCERPT_AROUND, EXCERPT_LIMIT)
    before = before or bool(passage.text[_own_heading(passage) : begin - passage.span[0]].strip())
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


def _begin(trace: Trace, passage: Passage, cited: Sequence[tuple[int, int]]) -> int:
    """The character of the document from which a card shows a passage.

    A heading that stands on the card is left out. Of a passage that was widened and is not cited, the part
    that was found is shown.
    """
    found = trace.passages.get(passage.id, passage)
    start = passage.span[0] + _own_heading(passage)
    if found.span != passage.span and not cited:
        return max(start, min(found.span[0], passage.span[1]))
    return start if all(a >= start for a, _ in cited) else passage.span[0]


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
