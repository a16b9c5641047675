"""What the generator was given: its context, passage by passage, as it was handed over."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag.trace import Trace
from search_app.pages.links import document_url
from search_app.pages.spans import Piece, cut
from search_app.pages.words import count, path_of, place_of


@dataclass(frozen=True, slots=True)
class Handed:
    """A passage under its number, its text whole; what the answer cites of it is marked."""

    marker: int
    title: str
    where: str
    url: str
    tokens: int
    pieces: tuple[Piece, ...]
    widened: bool = False
    """Handed over with what stands around it in its document."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The context of a question. `said` tells what the generator does with it."""

    said: str
    tokens: int
    limit: int | None
    passages: tuple[Handed, ...]
    dropped: tuple[tuple[str, str], ...]
    """Titles of candidates within reach that were left out, with why."""


def handed_over(trace: Trace) -> HandedOver | None:
    """None where nothing was handed over."""
    if not trace.context:
        return None
    passages, tokens = trace.passages, {c.marker: c.tokens for c in trace.context}
    wider = {passage.id for passage in trace.widened}
    spans: dict[str, list[tuple[int, int]]] = {}
    for citation in trace.answer.citations if trace.answer else ():
        spans.setdefault(citation.passage_id, []).append(citation.span)
    rows = []
    for marker, passage in trace.handed:
        start = passage.span[0]
        cited = [(a - start, b - start) for a, b in spans.get(passage.id, [])]
        rows.append(
            Handed(
                marker,
                passage.title or passage.id,
                " · ".join(filter(None, (path_of(passage), passage.collection, place_of(passage)))),
                document_url(passage),
                tokens[marker],
                tuple(cut(passage.text, cited)),
                passage.id in wider,
            )
        )
    context = trace.spec.get("context")
    limit = context.get("max_tokens") if isinstance(context, Mapping) else None
    return HandedOver(
        _said(trace),
        sum(one.tokens for one in trace.context),
        limit if isinstance(limit, int) else None,
        tuple(rows),
        tuple((passages[pid].title or pid if pid in passages else pid, why) for pid, why in trace.dropped),
    )


def _said(trace: Trace) -> str:
    generate = trace.spec.get("generate")
    number = count(len(trace.context), "passage")
    if not isinstance(generate, Mapping):
        return f"This pipeline writes no answer: {number} would have been handed to a generator."
    if generate.get("backend") == "extractive":
        return (
            "The extractive generator has no prompt: it reads the question and these numbered passages, "
            "scores their sentences, and quotes the best. Marked is what it quoted."
        )
    return f"Handed to the generator {generate.get('backend')}: the question and these numbered passages."
