"""The path of a question, top to bottom. What it yields is the trace; there is no other record."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rag.blend import fusion_so_far, order_so_far
from rag.cascade import Cascade, score
from rag.clock import Clock
from rag.encode.base import Encoder
from rag.errors import EncoderUnavailable, IndexUnavailable
from rag.events import Began, Encoded, Event, Expanded, Permitted, Ranked, Rewritten, Skipped
from rag.expand.base import Expander
from rag.fuse import fuse
from rag.generate.base import Generator, Salted
from rag.handing import Handing, Permit
from rag.index.base import IndexReader, Leg
from rag.pace import Paces
from rag.refuse.base import Judge
from rag.rerank.base import Reranker
from rag.rewrite.base import Rewriter
from rag.spec import PipelineSpec
from rag.trace import Trace, fold
from rag.types import (
    Dense,
    Expansion,
    Hybrid,
    Lexical,
    Passage,
    Query,
    Ranking,
    Stage,
    Subquery,
    Timing,
)
from rag.understand import understand
from rag.verify.base import Verifier
from rag.writing import Writing

LEGS: tuple[Stage, ...] = ("bm25", "knn")
LEG_NAMES: dict[Stage, str] = {"bm25": "words", "knn": "meaning"}


def permit_all(passages: Sequence[Passage]) -> frozenset[str]:
    return frozenset(p.id for p in passages)


@dataclass(frozen=True, slots=True)
class Replay:
    """Answer a stored trace's question again, without haste: time decided what was scored only then.

    Each stage of reranking scores as many candidates as it did, and no deadline ends anything. With
    `from_legs` the two legs of the trace stand in for the index, and neither is searched: this is how
    last week's candidates meet a new reranker.
    """

    trace: Trace
    from_legs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A spec with its live parts. A part that the spec leaves out is None."""

    name: str
    spec: PipelineSpec
    encoder: Encoder
    index: IndexReader
    late: Reranker | None = None
    before: tuple[Reranker | None, ...] = ()
    """Rerankers of the stages before the last, coarsest first."""
    reranker: Reranker | None = None
    generator: Generator | None = None
    rewriter: Rewriter | None = None
    expander: Expander | None = None
    judge: Judge | None = None
    verifier: Verifier | None = None
    paces: Paces = field(default_factory=Paces)
    """What was learned of the rerankers' speed; kept by who makes pipelines."""

    def apart(self, salt: str) -> "Pipeline":
        """The same for an asker: what a server remembers of prompts, only those with this salt meet again.

        Whoever asks chooses it; it is in no trace.
        """
        salted: dict[str, Any] = {
            name: part.salted(salt)
            for name in ("generator", "rewriter", "expander", "judge", "verifier")
            if isinstance(part := getattr(self, name), Salted)
        }
        return replace(self, **salted)

    def answer(self, query: Query, permit: Permit = permit_all, replay: Replay | None = None) -> Trace:
        return fold(self.stream(query, permit, replay))

    def stream(
        self, query: Query, permit: Permit = permit_all, replay: Replay | None = None
    ) -> Iterator[Event]:
        """Answer a question, event by event: understand, retrieve, fuse, rerank, blend, pack, write.

        Raises `IndexUnavailable` when neither leg can search, after an event for each that says why, and
        `RerankUnavailable` where the spec requires the cross-encoder. Every other loss is a `Skipped`
        event, and the path goes on.
        """
        clock = Clock()
        yield self._began(query)
        question, expansion = query, None
        stored = replay.trace if replay else None
        for event in understand(query, self.spec, self.rewriter, self.expander, clock, stored):
            if isinstance(event, Rewritten):
                question = replace(query, text=event.rewriting.question)
            elif isinstance(event, Expanded):
                expansion = event.expansion
            yield event

        found: list[Ranking] = []
        if replay and replay.from_legs:
            retrieved = _again(replay.trace, self.spec.fuse.server, permit, clock)
        else:
            retrieved = self._retrieve(question, expansion, permit, clock)
        for event in retrieved:
            if isinstance(event, Ranked):
                found.append(event.ranking)
            yield event

        started = clock.now()
        fused = next((ranking for ranking in found if ranking.stage == "fused"), None)
        found = [ranking for ranking in found if ranking is not fused]
        if fused is None:
            weights = {"bm25": self.spec.fuse.bm25, "knn": self.spec.fuse.knn}
            fused = fuse(found, self.spec.fuse.method, weights)
            yield Ranked(fused, clock.since("fused", started), len(fused))

        final = fused
        for event in self._rerank(question, found, fused, clock, replay):
            if isinstance(event, Ranked) and event.ranking.stage == "final":
                final = event.ranking
            yield event

        handing = Handing(
            spec=self.spec.context,
            generator=self.generator,
            index=self.index,
            collections=query.collections,
            permit=permit,
        )
        passages = yield from handing.run(question.text, final.candidates, clock)
        writing = Writing(spec=self.spec, judge=self.judge, generator=self.generator, verifier=self.verifier)
        yield from writing.run(question.text, passages, (*found, fused, final), clock)

    def _began(self, query: Query) -> Began:
        return Began(
            query=query,
            pipeline=self.name,
            spec=self.spec.as_dict(),
            fingerprint=self.spec.fingerprint,
            index_version=self.index.version,
            readable=self.index.count(query.collections),
        )

    def _retrieve(
        self, query: Query, expansion: Expansion | None, permit: Permit, clock: Clock
    ) -> Iterator[Event]:
        """Both legs, each inside the asker's collections, then the check of what was found.

        Where the spec has the index fuse, it is asked for that besides them.
        """
        spec = self.spec.fuse
        legs: list[tuple[Stage, Subquery]] = [("bm25", Lexical(query.text))]
        started = clock.now()
        try:
            vector = self.encoder.encode_queries([query.text]).vectors[0]
            legs.append(("knn", Dense(vector)))
            if spec.server:
                legs.append(("fused", Hybrid(query.text, vector, spec.method, spec.bm25, spec.knn)))
            yield Encoded(clock.since("encode", started))
        except EncoderUnavailable as error:
            yield Skipped("knn", f"Searched by words only: {error}", clock.since("encode", started))

        started = clock.now()
        try:
            results = self.index.search([subquery for _, subquery in legs], spec.depth, query.collections)
        except IndexUnavailable as error:
            results = tuple(Leg(None, error, 0.0, clock.now() - started) for _ in legs)
        searched = [
            (stage, leg, Timing(stage, started + leg.started_ms, leg.elapsed_ms))
            for (stage, _), leg in zip(legs, results, strict=True)
        ]
        if all(leg.ranking is None for stage, leg, _ in searched if stage in LEGS):
            for stage, leg, timing in searched[: len(LEGS)]:
                yield Skipped(stage, f"Not searched by {LEG_NAMES[stage]}: {leg.error}", timing)
            raise IndexUnavailable(f"Nothing can be searched now: {searched[0][1].error}")

        started = clock.now()
        found = {p.id: p for _, leg, _ in searched if leg.ranking for p in leg.ranking.passages}
        allowed = permit(tuple(found.values()))
        checked = clock.since("permit", started)
        for stage, leg, timing in searched:
            if leg.ranking is None and stage == "fused":
                yield Skipped(stage, f"Not fused by the index, but here: {leg.error}", timing)
                continue
            if leg.ranking is None:
                other = LEG_NAMES["bm25" if stage == "knn" else "knn"]
                yield Skipped(stage, f"Searched by {other} only: {leg.error}", timing)
                continue
            kept = tuple(c for c in leg.ranking.candidates if c.passage.id in allowed)
            ranking = Ranking(stage, leg.ranking.kind, kept)
            asked = len(ranking) if stage == "fused" else spec.depth
            yield Ranked(ranking, timing, asked, leg.partial)
        yield Permitted(len(found) - len(allowed), checked)

    def _rerank(
        self,
        query: Query,
        found: Sequence[Ranking],
        fused: Ranking,
        clock: Clock,
        replay: Replay | None,
    ) -> Iterator[Event]:
        """Late interaction, then the stages of the cascade, under one deadline; then the blend."""
        spec = self.spec
        patient = replay is not None
        deadline = clock.deadline(spec.rerank.budget_ms) if spec.rerank and not patient else math.inf
        voices = {str(ranking.stage): ranking.scores() for ranking in found}
        passages = {p.id: p for p in fused.passages}

        if spec.late:
            late = score("late", self.late, query, fused.top(spec.late.depth), deadline, clock)
            if isinstance(late, Ranked):
                voices["late"] = late.ranking.scores()
            yield late

        started = clock.now()
        so_far = order_so_far(passages, voices, spec.blend) if spec.late else fusion_so_far(fused)
        spent = clock.now() - started
        cascade = Cascade(spec=spec, rerankers=(*self.before, self.reranker), paces=self.paces)
        stored = replay.trace if replay else None
        final, blend_ms = yield from cascade.run(query, so_far, deadline, clock, stored)
        yield Ranked(final, Timing("final", clock.now() - blend_ms, blend_ms + spent), len(final))


def _again(stored: Trace, server: bool, permit: Permit, clock: Clock) -> Iterator[Event]:
    """The legs of a stored trace, and a fusion by the index, less what may not be read any more."""
    server = server and all(skip.stage != "fused" for skip in stored.skipped)
    stages = (*LEGS, "fused") if server else LEGS
    legs = [ranking for stage in stages if (ranking := stored.ranking(stage))]
    found = {p.id: p for ranking in legs for p in ranking.passages}
    started = clock.now()
    allowed = permit(tuple(found.values()))
    for ranking in legs:
        kept = tuple(c for c in ranking.candidates if c.passage.id in allowed)
        timing = clock.since(ranking.stage, started)
        again = Ranking(ranking.stage, ranking.kind, kept)
        yield Ranked(again, timing, stored.asked[ranking.stage], stored.partial.get(ranking.stage, ""))
    yield Permitted(len(found) - len(allowed), clock.since("permit", started))
