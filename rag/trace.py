"""The trace: everything that happened to a question, the fold of its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rag.answers import Answer, Check, Confidence, Usage
from rag.events import (
    Began,
    Delta,
    Encoded,
    Event,
    Expanded,
    Generated,
    Packed,
    Permitted,
    Ranked,
    Rewritten,
    Skipped,
    Verified,
    Weighed,
)
from rag.types import (
    NOTHING_SPENT,
    Candidate,
    ContextPassage,
    Expansion,
    Passage,
    Query,
    Ranking,
    Rewriting,
    Spent,
    Timing,
)

COARSER = {"coarse": "The first", "middle": "The second"}
"""The stages of a cascade before the last."""

RerankStatus = Literal["applied", "partial", "skipped", "fallback"]


@dataclass(frozen=True, slots=True)
class Rerank:
    """What the last stage of reranking did: `status`, and in plain words why it scored less than asked."""

    status: RerankStatus
    scored: int
    asked: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Everything that happened to a question: the return value of the pipeline."""

    query: Query
    pipeline: str
    spec: Mapping[str, object]
    fingerprint: str
    index_version: str
    readable: int
    refused: int = 0
    rankings: tuple[Ranking, ...] = ()
    asked: Mapping[str, int] = field(default_factory=dict)
    """Stage to how many candidates it was given or asked for."""
    skipped: tuple[Skipped, ...] = ()
    context: tuple[ContextPassage, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    answer: Answer | None = None
    usage: Usage | None = None
    timings: tuple[Timing, ...] = field(default=(), compare=False)
    first_ms: float | None = field(default=None, compare=False)
    partial: Mapping[str, str] = field(default_factory=dict)
    """Leg to why it may lack passages that are there. Such a trace must never be served from a cache."""
    spent: Mapping[str, Spent] = field(default_factory=dict, compare=False)
    """Stage to what its scores cost and stand on, for the stages with a reranker that says so."""
    rewriting: Rewriting | None = None
    expansion: Expansion | None = None
    widened: tuple[Passage, ...] = ()
    """Passages of the context that were handed over with what stands around them."""
    confidence: Confidence | None = None
    """Whether the context answers the question, where that was weighed before writing."""
    checks: tuple[Check, ...] = ()
    """Each sentence of the answer held against what it cites, where that was done."""

    @property
    def question(self) -> str:
        """What was searched and answered: the question as it was understood."""
        return self.rewriting.question if self.rewriting else self.query.text

    @property
    def handed(self) -> tuple[tuple[int, Passage], ...]:
        """Marker and passage of the context, in order, each as the generator read it."""
        known = self.passages | {p.id: p for p in self.widened}
        return tuple((c.marker, known[c.passage_id]) for c in self.context if c.passage_id in known)

    @property
    def partial_index(self) -> bool:
        """Whether only a part of the index was searched."""
        return bool(self.partial)

    def ranking(self, stage: str) -> Ranking | None:
        return next((ranking for ranking in self.rankings if ranking.stage == stage), None)

    @property
    def final(self) -> tuple[Candidate, ...]:
        """Candidates in the order that counted: of the last stage that gave a ranking."""
        return self.rankings[-1].candidates if self.rankings else ()

    @property
    def passages(self) -> dict[str, Passage]:
        """Every passage that any stage ranked, by id."""
        return {p.id: p for ranking in self.rankings for p in ranking.passages}

    @property
    def total_ms(self) -> float:
        return max((t.started_ms + t.elapsed_ms for t in self.timings), default=0.0)

    @property
    def rerank(self) -> Rerank:
        asked = self.asked.get("reranked", 0)
        for skip in self.skipped:
            if skip.stage == "reranked":
                return Rerank("fallback" if skip.failed else "skipped", 0, asked, skip.reason)
        ranking = self.ranking("reranked")
        if ranking is None:
            return Rerank("skipped", 0, asked, "there was nothing to rerank")
        if len(ranking) < asked and self._stopped("reranked") == "gap":
            reason = f"it stopped after {len(ranking)} of {asked} candidates: none below could enter the top"
            return Rerank("applied", len(ranking), asked, reason)
        if len(ranking) < asked:
            reason = f"the time budget ended after {len(ranking)} of {asked} candidates"
            return Rerank("partial", len(ranking), asked, reason)
        return Rerank("applied", len(ranking), asked)

    @property
    def degraded(self) -> tuple[str, ...]:
        """One plain sentence for each thing that did not go as the spec says; empty when all went well."""
        sentences = [skip.reason for skip in self.skipped if skip.failed]
        if self.partial_index:
            reasons = "; ".join(dict.fromkeys(self.partial.values()))
            sentences.append(f"Only a part of the index was searched, so passages may be missing: {reasons}.")
        for stage, said in COARSER.items():
            ranking = self.ranking(stage)
            if ranking is not None and len(ranking) < self.asked[stage]:
                sentences.append(
                    f"{said} stage of reranking stopped at its time: {len(ranking)} of "
                    f"{self.asked[stage]} candidates were scored. The rest keep the order they had."
                )
        if self.rerank.status == "partial":
            sentences.append(
                f"Reranking stopped at its time budget: {self.rerank.scored} of {self.rerank.asked} "
                "candidates were scored. The rest keep the order they had."
            )
        return tuple(sentences)

    def _stopped(self, stage: str) -> str:
        return self.spent.get(stage, NOTHING_SPENT).stopped

    def movements(self) -> dict[str, dict[str, int | None]]:
        """Passage id to its rank in each stage that ran, or None; in the final order."""
        order: dict[str, None] = {}
        for ranking in reversed(self.rankings):
            order.update(dict.fromkeys(p.id for p in ranking.passages))
        ranks = {ranking.stage: ranking.ranks() for ranking in self.rankings}
        return {pid: {str(stage): of.get(pid) for stage, of in ranks.items()} for pid in order}


def fold(events: Iterable[Event]) -> Trace:
    """Gather the events of one question into its trace. The first event must be `Began`.

    An answer that is not whole yet has the text so far, and `stopped` as its reason to end.
    """
    stream = iter(events)
    began = next(stream)
    if not isinstance(began, Began):
        raise ValueError(f"a trace begins with Began, not with {type(began).__name__}")
    rankings: list[Ranking] = []
    asked: dict[str, int] = {}
    skipped: list[Skipped] = []
    timings: list[Timing] = []
    partial: dict[str, str] = {}
    spent: dict[str, Spent] = {}
    refused = 0
    context: tuple[ContextPassage, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    answer: Answer | None = None
    usage: Usage | None = None
    first_ms: float | None = None
    written: list[Delta] = []
    rewriting: Rewriting | None = None
    expansion: Expansion | None = None
    widened: tuple[Passage, ...] = ()
    confidence: Confidence | None = None
    checks: tuple[Check, ...] = ()
    for event in stream:
        match event:
            case Encoded(timing):
                timings.append(timing)
            case Ranked(ranking, timing, number, why, cost):
                rankings.append(ranking)
                partial |= {ranking.stage: why} if why else {}
                spent |= {ranking.stage: cost} if cost != NOTHING_SPENT else {}
                asked[ranking.stage] = number
                timings.append(timing)
            case Skipped(timing=timing):
                skipped.append(event)
                timings.append(timing)
            case Permitted(refused, timing):
                timings.append(timing)
            case Rewritten(rewriting, timing):
                timings.append(timing)
            case Expanded(expansion, timing):
                timings.append(timing)
            case Packed(context, dropped, timing, widened):
                timings.append(timing)
            case Weighed(confidence, timing=timing):
                timings.append(timing)
            case Generated(answer, usage, timing, first_ms):
                timings.append(timing)
            case Verified(checks, timing):
                timings.append(timing)
            case Delta(text):
                written += [event] if text else []
            case Began():
                raise ValueError("a trace begins once")
    if answer is None and written:
        cited = tuple(citation for delta in written for citation in delta.citations)
        answer = Answer("".join(delta.text for delta in written), cited, "stopped")
    return Trace(
        query=began.query,
        pipeline=began.pipeline,
        spec=began.spec,
        fingerprint=began.fingerprint,
        index_version=began.index_version,
        readable=began.readable,
        refused=refused,
        rankings=tuple(rankings),
        asked=asked,
        skipped=tuple(skipped),
        context=context,
        dropped=dropped,
        answer=answer,
        usage=usage,
        timings=tuple(timings),
        first_ms=first_ms,
        partial=partial,
        spent=spent,
        rewriting=rewriting,
        expansion=expansion,
        widened=widened,
        confidence=confidence,
        checks=checks,
    )
