"""What happened to a question: the events that the pipeline yields, in order, and the trace, their fold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rag.types import (
    NOTHING_SPENT,
    Answer,
    Candidate,
    ContextPassage,
    Passage,
    Query,
    Ranking,
    Spent,
    Timing,
    Usage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """First event: what is asked, of which index, by which spec."""

    query: Query
    pipeline: str
    spec: Mapping[str, object]
    fingerprint: str
    index_version: str
    readable: int
    """Passages in the collections that the asker may read."""


@dataclass(frozen=True, slots=True)
class Encoded:
    timing: Timing


@dataclass(frozen=True, slots=True)
class Ranked:
    ranking: Ranking
    timing: Timing
    asked: int
    """How many candidates the stage was given or asked for; it may have scored fewer."""
    partial: str = ""
    """Why a leg may lack passages that are there: a clause such as "2 of 5 shards answered"."""
    spent: Spent = NOTHING_SPENT
    """What the scores of a reranker cost and stand on."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stage that gave no ranking, with the reason in plain words."""

    stage: str
    reason: str
    timing: Timing
    failed: bool = True
    """False where the spec leaves the stage out or there was nothing to do."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """The check of access at the end of retrieval: how many found passages may not be read (any more)."""

    refused: int
    timing: Timing


@dataclass(frozen=True, slots=True)
class Packed:
    """Passages handed to the generator, and the candidates within reach that were left out, with why."""

    context: tuple[ContextPassage, ...]
    dropped: tuple[tuple[str, str], ...]
    timing: Timing


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text, in order. The pieces joined are the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Generated:
    """Last event: the whole answer. `first_ms` is when its first piece came, from the start of generation."""

    answer: Answer
    usage: Usage
    timing: Timing
    first_ms: float | None = None


Event = Began | Encoded | Ranked | Skipped | Permitted | Packed | Delta | Generated

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
    """Gather the events of one question into its trace. The first event must be `Began`."""
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
            case Packed(context, dropped, timing):
                timings.append(timing)
            case Generated(answer, usage, timing, first_ms):
                timings.append(timing)
            case Delta():
                pass
            case Began():
                raise ValueError("a trace begins once")
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
    )
