"""The numbers of a trace: one row per passage with its rank and raw score in every stage."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag.trace import Trace
from rag.types import STAGES, Passage, Ranking
from search_app.pages.links import document_url
from search_app.pages.rank_lines import Fate, cutoff, fates
from search_app.pages.words import SCALE_NAMES, STAGE_NAMES, path_of, place_of, score_text

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class StageHead:
    """A pair of columns: a stage and the scale of its scores."""

    key: str
    name: str
    scale: str


@dataclass(frozen=True, slots=True)
class Cell:
    """Rank and raw score of a passage in one stage, as written; `–` where the stage did not rank it."""

    rank: str
    score: str
    stage: str = ""
    scale: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A passage in the table. `number` is what the chart's line is tied to."""

    number: int
    passage_id: str
    title: str
    path: str
    place: str
    collection: str
    url: str
    cells: tuple[Cell, ...]
    moved: int | None
    """Places gained from the fused to the final order; None where it was not in both."""
    tokens: int
    fate: Fate
    outcome: str
    marker: int | None

    @property
    def moved_down(self) -> int:
        """Places lost, as a positive number."""
        return -(self.moved or 0)


def heads(trace: Trace) -> list[StageHead]:
    """The stages that gave a ranking; the final order first, since the rows stand in it."""
    found = {r.stage: r for r in trace.rankings}
    order = (["final"] if "final" in found else []) + [s for s in STAGES if s in found and s != "final"]
    return [StageHead(s, STAGE_NAMES[s], SCALE_NAMES.get(found[s].kind, found[s].kind)) for s in order]  # type: ignore[index]


def rows(trace: Trace, *, texts_visible: bool = True) -> list[Row]:
    """Every passage that any stage ranked, in the final order."""
    looked_up = [
        (head, r, r.ranks(), r.scores())
        for head in heads(trace)
        if (r := trace.ranking(head.key)) is not None
    ]
    passages, fate = trace.passages, fates(trace)
    fused, final = _ranks(trace.ranking("fused")), _ranks(trace.ranking("final"))
    markers = {c.passage_id: c.marker for c in trace.context}
    result = []
    for number, pid in enumerate(trace.movements(), start=1):
        passage = passages[pid]
        cells = tuple(
            Cell(f"{ranks[pid]:,}", score_text(r.kind, scores[pid]), head.name, head.scale)
            if pid in ranks
            else Cell(ABSENT, "", head.name, head.scale)
            for head, r, ranks, scores in looked_up
        )
        shown = texts_visible and passage.title
        result.append(
            Row(
                number=number,
                passage_id=pid,
                title=passage.title if shown else pid,
                path=path_of(passage) if texts_visible else "",
                place=place_of(passage),
                collection=passage.collection,
                url=document_url(passage) if texts_visible else "",
                cells=cells,
                moved=fused[pid] - final[pid] if pid in fused and pid in final else None,
                tokens=passage.tokens,
                fate=fate.get(pid, "rest"),
                outcome=outcome(trace, passage, number),
                marker=markers.get(pid),
            )
        )
    return result


def outcome(trace: Trace, passage: Passage, place: int) -> str:
    """What became of a passage in the end, in a few words."""
    if any(c.passage_id == passage.id for c in trace.context):
        cited = trace.answer is not None and any(c.passage_id == passage.id for c in trace.answer.citations)
        return "cited" if cited else "used, not cited" if trace.answer else "used"
    dropped = dict(trace.dropped)
    if passage.id in dropped:
        return dropped[passage.id]
    return f"below the top {cutoff(trace)}" if place > cutoff(trace) else "not used"


def _ranks(ranking: Ranking | None) -> Mapping[str, int]:
    return ranking.ranks() if ranking is not None else {}
