"""The path of a question, top to bottom. What it yields is the trace; there is no other record."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rag.blend import fusion_so_far, order_so_far
from rag.cascade import Cascade, score
from rag.clock import Clock
from rag.encode.base import Encoder
from rag.events import Began, Event, Expanded, Ranked, Rewritten
from rag.expand.base import Expander
from rag.fuse import fuse
from rag.generate.base import Generator, Salted
from rag.handing import Handing, Permit
from rag.index.base import IndexReader
from rag.pace import Paces
from rag.refuse.base import Judge
from rag.rerank.base import Reranker
from rag.retrieve import Retrieval, again, permit_all
from rag.rewrite.base import Rewriter
from rag.spec import PipelineSpec
from rag.trace import Trace, fold
from rag.types import (
    Query,
    Ranking,
    Timing,
)
from rag.understand import understand
from rag.verify.base import Verifier
from rag.writing import Writing


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
    generator_lacks: str = ""
    """Why there is none, and what to do, where the spec has one."""
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
            retrieved = again(replay.trace, self.spec.fuse.server, permit, clock)
        else:
            retrieval = Retrieval(spec=self.spec.fuse, encoder=self.encoder, index=self.index)
            retrieved = retrieval.run(question, expansion, permit, clock)
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
        writing = Writing(
            spec=self.spec,
            judge=self.judge,
            generator=self.generator,
            generator_lacks=self.generator_lacks,
            verifier=self.verifier,
        )
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
