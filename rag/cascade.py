"""Reranking in stages, coarse to fine, under one deadline: how deep each goes and which order comes out.

A stage scores the best of the order before it, and its best go on to the next. Its time is what the later
stages leave, by the pace that each was seen to have on this machine; see `rag.pace`. What was not scored in
time keeps its order below what was. `rag.blend` makes the order: raw scores of two stages never meet.
"""

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, fields, replace

from rag.blend import blended, with_reranker
from rag.clock import Clock
from rag.errors import RerankUnavailable, Unavailable
from rag.events import Ranked, Skipped
from rag.pace import Pace, Paces, share_ms
from rag.rerank.base import Reranker
from rag.rerank.cache import CachedReranker
from rag.spec import PipelineSpec, RerankSpec, ScorerSpec
from rag.trace import Trace
from rag.types import NOTHING_SPENT, Passage, Query, Ranking, Scores, Spent, Stage

NAMES: dict[Stage, str] = {
    "late": "Late interaction",
    "coarse": "The first stage of reranking",
    "middle": "The second stage of reranking",
    "reranked": "Reranking",
}
BEFORE: tuple[Stage, ...] = ("coarse", "middle")
SLICE = 8
"""Candidates scored at a time where a stage may stop early."""
AT_THE_DEADLINE = 0.9
"""Share of its time after which a reranker that gave nothing has failed for want of time."""


@dataclass(slots=True)
class _Step:
    """One stage at work."""

    stage: Stage
    spec: ScorerSpec
    reranker: Reranker | None
    pace: Pace
    deadline: float = math.inf
    texts: int = 0
    """Candidates it will be given, as far as can be foreseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """The stages of a spec with their rerankers, coarsest first; None where a model is not here."""

    spec: PipelineSpec
    rerankers: Sequence[Reranker | None]
    paces: Paces = field(default_factory=Paces)

    def run(
        self, query: Query, so_far: Ranking, deadline: float, clock: Clock, stored: Trace | None = None
    ) -> Generator[Ranked | Skipped, None, tuple[Ranking, float]]:
        """Yields an event for each stage; gives the order, and the milliseconds that blending it took.

        With `stored`, a trace, each stage scores as many as it did then, however long that takes. Raises
        `RerankUnavailable` where the spec requires the last stage and it failed.
        """
        rerank = self.spec.rerank
        started = clock.now()
        if (reason := self._not_needed(len(so_far))) or rerank is None:
            yield Skipped("reranked", reason, clock.since("reranked", started), failed=False)
            return so_far, 0.0
        base, order, blend_ms = so_far.scores(), so_far, 0.0
        steps = self._steps(rerank, len(so_far))
        for place, step in enumerate(steps):
            best = order.top(step.texts)
            step.deadline = _deadline(steps[place:], best, deadline, patient=stored is not None)
            event = self._stage(step, query, best, base, clock, stored)
            yield event
            if isinstance(event, Ranked):
                own, started = event.ranking, clock.now()
                order = with_reranker(order, base, own.scores(), own.kind, self.spec.blend.reranked)
                blend_ms += clock.now() - started
            elif step.spec is rerank and rerank.required and event.failed:
                raise RerankUnavailable(event.reason)
        return order, blend_ms

    def _not_needed(self, candidates: int) -> str:
        """Why the spec does without reranking for so many candidates; nothing where it does not."""
        rerank, context = self.spec.rerank, self.spec.context
        if rerank is None:
            return "This pipeline has no cross-encoder."
        if 0 < candidates < rerank.min_candidates:
            found = "1 candidate was" if candidates == 1 else f"{candidates} candidates were"
            return f"Not reranked: {found} found, and this pipeline reranks from {rerank.min_candidates} on."
        if self.spec.generate and 0 < rerank.skip_from_context <= context.top:
            return f"Not reranked: the generator is handed {context.top} passages, whatever their order."
        return ""

    def _steps(self, rerank: RerankSpec, candidates: int) -> list[_Step]:
        specs: list[ScorerSpec] = [*rerank.before, rerank]
        stages: list[Stage] = [*BEFORE[: len(rerank.before)], "reranked"]
        steps = []
        for stage, spec, reranker in zip(stages, specs, self.rerankers, strict=True):
            texts = min(spec.depth, candidates)
            pace = self.paces.of(reranker.fingerprint if reranker else "")
            steps.append(_Step(stage, spec, reranker, pace, texts=texts))
            candidates = min(getattr(spec, "keep", candidates), candidates)
        return steps

    def _stage(
        self,
        step: _Step,
        query: Query,
        best: Ranking,
        base: dict[str, float],
        clock: Clock,
        stored: Trace | None,
    ) -> Ranked | Skipped:
        """Score as many of the best as there is time for; the ranking says how many were asked for."""
        rerank = self.spec.rerank
        gap = rerank.stop_gap if rerank is step.spec and rerank and not stored else 0.0
        reached = best
        if stored is not None:
            before = stored.ranking(step.stage)
            reached = best.top(len(before)) if before else best
        elif step.reranker is not None:
            left_ms = (step.deadline - time.monotonic()) * 1000
            of = step.reranker
            known = of.known(query.text, best.passages) if isinstance(of, CachedReranker) else ()
            reached = best.top(step.pace.reach(_tokens(best), left_ms, known))
        began = clock.now()
        reranker = step.reranker
        if reranker is not None and gap:
            weight, top = self.spec.blend.reranked, self.spec.context.top
            reranker = _InSlices(reranker, base, step.pace, weight=weight, top=top, gap=gap)
        event = score(step.stage, reranker, query, reached, step.deadline, clock)
        if not stored:
            _learn(step, event, reached, clock.now() - began)
        if not isinstance(event, Ranked):
            return event
        spent = event.spent
        if stored is not None:
            spent = replace(spent, stopped=stored.spent.get(step.stage, NOTHING_SPENT).stopped)
        elif len(event.ranking) < len(best) and not spent.stopped:
            spent = replace(spent, stopped="time")
        return replace(event, asked=len(best), spent=spent)


def score(
    stage: Stage,
    reranker: Reranker | None,
    query: Query,
    ranking: Ranking,
    deadline: float,
    clock: Clock,
) -> Ranked | Skipped:
    """Have one reranker score the candidates of a ranking: its own ranking, or why there is none."""
    started = clock.now()
    if not ranking.candidates:
        reason = "There was nothing to rerank."
        return Skipped(stage, reason, clock.since(stage, started), failed=False)
    left_out = f"{NAMES[stage]} was left out"
    if reranker is None:
        reason = f"{left_out}: its model is not on this machine."
        return Skipped(stage, reason, clock.since(stage, started))
    try:
        scores = reranker.score(query.text, ranking.passages, deadline=deadline)
    except Unavailable as error:
        return Skipped(stage, f"{left_out}: {error}", clock.since(stage, started))
    unusable = [v for v in scores.values if v is not None and not math.isfinite(v)]
    if unusable or len(scores.values) != len(ranking):
        reason = f"{left_out}: its model gave scores that cannot be used."
        return Skipped(stage, reason, clock.since(stage, started))
    given = zip(ranking.passages, scores.values, strict=True)
    own = Ranking.of(stage, scores.kind, ((p, v) for p, v in given if v is not None))
    timing = clock.since(stage, started, scores.compute_ms)
    return Ranked(own, timing, len(ranking), spent=scores.spent)


class _InSlices:
    """A reranker that stops once nothing below can enter the top.

    A candidate that is not scored yet is credited with `gap` standard deviations. When even that would not
    lift the best of them over the last of the top, the stage ends.
    """

    def __init__(
        self,
        reranker: Reranker,
        so_far: dict[str, float],
        pace: Pace,
        *,
        weight: float,
        top: int,
        gap: float,
    ) -> None:
        self.fingerprint = reranker.fingerprint
        self._reranker, self._so_far, self._pace = reranker, so_far, pace
        self._weight, self._top, self._gap = weight, top, gap

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        """As the reranker does, which is asked for a slice at a time.

        Places counted down mean nothing beside those of another slice: of a reranker that gives them,
        all passages are scored at once.
        """
        if self._pace.kind == "ordinal" or len(passages) <= SLICE:
            return self._reranker.score(query, passages, deadline=deadline)
        values: list[float | None] = []
        given: Scores | None = None
        while len(values) < len(passages):
            part = passages[len(values) : len(values) + SLICE]
            try:
                scores = self._reranker.score(query, part, deadline=deadline)
            except Unavailable:
                if given is None:
                    raise
                break
            if scores.kind == "ordinal" or len(scores.values) != len(part):
                return self._reranker.score(query, passages, deadline=deadline)
            values += scores.values
            given = scores if given is None else _joined(given, scores)
            if None in scores.values:
                break
            if len(values) < len(passages) and self._settled(passages, values, given):
                given = replace(given, spent=replace(given.spent, stopped="gap"))
                break
        assert given is not None
        none: list[float | None] = [None] * (len(passages) - len(values))
        return replace(given, values=tuple(values + none))

    def _settled(self, passages: Sequence[Passage], values: Sequence[float | None], given: Scores) -> bool:
        scored = {p.id: v for p, v in zip(passages, values, strict=False) if v is not None}
        if len(scored) < self._top or not all(map(math.isfinite, scored.values())):
            return False
        mixed = sorted(blended(self._so_far, scored, given.kind, self._weight).values(), reverse=True)
        below = max(self._so_far[p.id] for p in passages[len(values) :])
        return mixed[self._top - 1] >= below + self._weight * self._gap


def _joined(one: Scores, other: Scores) -> Scores:
    """What two calls cost together; the values are left as they are."""
    spent = {
        cost.name: was + now if isinstance(was := getattr(one.spent, cost.name), int | float) else was or now
        for cost in fields(Spent)
        if (now := getattr(other.spent, cost.name)) is not None
    }
    return replace(one, compute_ms=one.compute_ms + other.compute_ms, spent=Spent(**spent))


def _deadline(steps: Sequence[_Step], best: Ranking, deadline: float, *, patient: bool) -> float:
    """When the first of these stages must end, so that the others keep their share."""
    if patient:
        return math.inf
    left_ms = max(0.0, (deadline - time.monotonic()) * 1000)
    lengths = _tokens(best)
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    wanted = []
    for step in steps:
        expected = step.pace.expected_ms(round(mean * step.texts))
        budget = _own_budget(step.spec)
        wanted.append(budget if expected is None else min(expected, budget))
    allowed = share_ms(left_ms, wanted) if sum(wanted) else left_ms
    if len(steps) > 1:
        allowed = min(allowed, steps[0].spec.budget_ms)
    return time.monotonic() + (allowed - steps[0].pace.margin_ms(allowed)) / 1000


def _own_budget(spec: ScorerSpec) -> float:
    """The budget of a stage alone: that of the last one holds for all of them."""
    if isinstance(spec, RerankSpec):
        return max(1.0, spec.budget_ms - sum(stage.budget_ms for stage in spec.before))
    return float(spec.budget_ms)


def _tokens(ranking: Ranking) -> list[int]:
    return [max(passage.tokens, 1) for passage in ranking.passages]


def _learn(step: _Step, event: Ranked | Skipped, reached: Ranking, elapsed_ms: float) -> None:
    """What this stage's time says about its reranker's pace. Scores from a cache say nothing."""
    if math.isinf(step.deadline):
        return
    late_ms = (time.monotonic() - step.deadline) * 1000
    if isinstance(event, Skipped):
        allowed_ms = elapsed_ms - late_ms
        if event.failed and elapsed_ms > AT_THE_DEADLINE * allowed_ms > 0:
            step.pace.at_the_deadline = "nothing"
            step.pace.learn(sum(_tokens(reached)), 2 * elapsed_ms)
            step.pace.learn_late(late_ms)
        return
    step.pace.kind = event.ranking.kind
    if event.spent.cached:
        return
    scored = event.ranking.ranks()
    step.pace.learn(sum(max(p.tokens, 1) for p in reached.passages if p.id in scored), elapsed_ms)
    if len(event.ranking) < len(reached) and not event.spent.stopped:
        step.pace.at_the_deadline = "prefix"
        step.pace.learn_late(late_ms)
    elif late_ms > 0:
        step.pace.learn_late(late_ms)
