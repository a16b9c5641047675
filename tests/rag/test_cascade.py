"""Stages, budgets and what ends them, over rerankers that do as they are told."""

import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rag import spec as specs
from rag import trace_store
from rag.backends import Backends
from rag.cascade import SLICE, Cascade
from rag.clock import Clock
from rag.errors import RerankUnavailable, SpecError
from rag.events import Began, Ranked, Skipped
from rag.index import embedded
from rag.ingest import encode
from rag.pace import Paces
from rag.parse.base import ParsedDocument
from rag.rerank.base import Reranker
from rag.split import split
from rag.trace import Trace, fold
from rag.types import Passage, Query, Ranking, ScoreKind, Scores, Spent, Timing
from tests import models
from tests.rag.build import passage

QUERY = Query(id="q", text="When does the ferry leave?", collections=("c",))
DEFAULT = specs.load(Path("search_app/specs/default.toml")).as_dict()
LONG = 60_000.0


def spec(before: Sequence[dict[str, Any]] = (), top: int = 5, **rerank: Any) -> specs.PipelineSpec:
    stage = {"backend": "onnx", "model": "m", "depth": 50, "budget_ms": 1000}
    last = DEFAULT["rerank"] | {"depth": 10} | rerank | {"before": [stage | one for one in before]}
    return specs.from_mapping(DEFAULT | {"rerank": last, "context": DEFAULT["context"] | {"top": top}})


def candidates(count: int) -> Ranking:
    """`p00`, `p01`, … in this order, a step of 1 between each two."""
    return Ranking.of("final", "blend", ((passage(f"p{i:02}"), float(-i)) for i in range(count)))


class Timed:
    """Takes so long a passage; at the deadline it keeps what it has, or nothing. Scores by the number."""

    def __init__(
        self,
        name: str = "timed",
        ms: float = 0.0,
        *,
        keeps: bool = True,
        kind: ScoreKind = "logit",
        sign: int = 1,
    ) -> None:
        self.fingerprint = name
        self.ms, self.keeps, self.kind, self.sign = ms, keeps, kind, sign
        self.asked: list[list[str]] = []

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        self.asked.append([p.document_id for p in passages])
        values: list[float | None] = []
        for p in passages:
            if time.monotonic() + self.ms / 1000 > deadline:
                break
            time.sleep(self.ms / 1000)
            values.append(self.sign * float(p.document_id[1:]))
        if passages and (not values or (not self.keeps and len(values) < len(passages))):
            time.sleep(max(0.0, deadline - time.monotonic()) if not math.isinf(deadline) else 0)
            raise RerankUnavailable("no time was left")
        rest: list[float | None] = [None] * (len(passages) - len(values))
        return Scores(self.kind, tuple(values + rest), 0.0, Spent(texts=len(values)))


def run(
    of: specs.PipelineSpec,
    *rerankers: Reranker | None,
    count: int = 100,
    budget_ms: float = LONG,
    paces: Paces | None = None,
    stored: Trace | None = None,
) -> tuple[Trace, list[str]]:
    """The trace of the cascade alone, and the order."""
    cascade = Cascade(spec=of, rerankers=rerankers, paces=paces or Paces())
    clock = Clock()
    events: list[Ranked | Skipped] = []
    steps = cascade.run(QUERY, candidates(count), clock.deadline(budget_ms), clock, stored)
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            final, _ = end.value
            break
    began = Began(query=QUERY, pipeline="p", spec={}, fingerprint="", index_version="", readable=count)
    last = Ranked(final, Timing("final", 0, 0), len(final))
    return fold([began, *events, last]), [p.document_id for p in final.passages]


def names(*numbers: int) -> list[str]:
    return [f"p{n:02}" for n in numbers]


TWO = [{"depth": 30, "keep": 10, "budget_ms": 500}]
THREE = [{"depth": 60, "keep": 30, "budget_ms": 300}, {"depth": 30, "keep": 10, "budget_ms": 300}]


def test_each_stage_scores_the_best_of_the_one_before() -> None:
    coarse, fine = Timed("coarse"), Timed("fine", sign=-1)
    trace, order = run(spec(TWO, depth=10), coarse, fine)
    assert coarse.asked == [names(*range(30))]
    assert set(fine.asked[0]) == set(order[:10])
    assert [r.stage for r in trace.rankings] == ["coarse", "reranked", "final"]
    assert (trace.asked["coarse"], trace.asked["reranked"]) == (30, 10)
    assert trace.rerank.status == "applied"
    assert order[30:] == names(*range(30, 100)), "what no stage scored keeps its order, below"
    assert set(order[:30]) == set(names(*range(30)))


def test_of_three_stages_the_one_between_is_the_middle() -> None:
    stages = [Timed("a"), Timed("b"), Timed("c")]
    trace, _ = run(spec(THREE, depth=10), *stages)
    assert [r.stage for r in trace.rankings] == ["coarse", "middle", "reranked", "final"]
    assert [len(stage.asked[0]) for stage in stages] == [60, 30, 10]


def test_a_stage_that_fails_leaves_the_order_to_the_next() -> None:
    fine = Timed("fine")
    trace, _ = run(spec(TWO, depth=10), None, fine)
    assert fine.asked == [names(*range(10))]
    assert trace.degraded == ("The first stage of reranking was left out: its model is not on this machine.",)
    assert trace.rerank.status == "applied"


def test_a_required_cascade_fails_with_its_last_stage_only() -> None:
    of = spec(TWO, required=True)
    assert run(of, None, Timed())[0].rerank.status == "applied"
    with pytest.raises(RerankUnavailable):
        run(of, Timed(), None)


def test_an_early_stage_leaves_the_later_ones_their_share() -> None:
    """30 × 10 ms and 10 × 10 ms want 400 ms; of 200 the first gets 150 once both paces are known."""
    paces = Paces()
    coarse, fine = Timed("coarse", 10), Timed("fine", 10)
    for _ in range(3):
        run(spec(TWO, depth=10), coarse, fine, paces=paces)
    trace, _ = run(spec(TWO, depth=10, budget_ms=1000), coarse, fine, paces=paces, budget_ms=200)
    reached = {r.stage: len(r) for r in trace.rankings}
    assert 1 <= reached["coarse"] <= 15
    assert 1 <= reached["reranked"] < 10
    assert trace.rerank.status == "partial"
    assert trace.spent["coarse"].stopped == trace.spent["reranked"].stopped == "time"
    assert trace.degraded[0].startswith("The first stage of reranking stopped at its time: ")


def test_a_stage_has_a_budget_of_its_own() -> None:
    coarse = Timed("coarse", 10)
    trace, _ = run(spec([TWO[0] | {"budget_ms": 100}]), coarse, Timed("fine"))
    ranking = trace.ranking("coarse")
    assert ranking is not None and 1 <= len(ranking) <= 10
    assert trace.rerank.status == "applied", "the last stage had its time"


def test_who_loses_everything_at_its_deadline_is_soon_asked_for_less() -> None:
    """10 ms each and 100 ms: ten do not fit with what a call costs beside; the third question knows."""
    paces, service = Paces(), Timed("service", 10, keeps=False)
    traces = [run(spec(depth=20, budget_ms=100), service, paces=paces, budget_ms=100)[0] for _ in range(8)]
    assert traces[0].rerank.status == "fallback"
    assert "partial" in [trace.rerank.status for trace in traces]
    assert len(service.asked[0]) == 20
    assert 1 <= len(service.asked[-1]) < 10


def test_scores_from_a_cache_teach_no_pace() -> None:
    class Cached(Timed):
        def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
            scores = super().score(query, passages, deadline=deadline)
            return dataclasses.replace(scores, spent=Spent(cached=len(passages)))

    paces = Paces()
    run(spec(), Cached("c"), paces=paces)
    assert paces.of("c").expected_ms(100) is None


@pytest.mark.parametrize("kind", ["logit", "ordinal", "rating"])
def test_a_replay_goes_as_deep_as_before_however_long_it_takes(kind: ScoreKind) -> None:
    stages = [Timed("coarse", 10, kind=kind), Timed("fine", 10, kind=kind)]
    stored, order = run(spec(TWO, depth=10), *stages, budget_ms=120)
    assert stored.rerank.status == "partial"
    again, same = run(spec(TWO, depth=10), *stages, budget_ms=0.001, stored=stored)
    assert (again.rankings, again.rerank, same) == (stored.rankings, stored.rerank, order)


# --- Early stop ------------------------------------------------------------------------------------------


def test_it_stops_when_nothing_below_can_enter_the_top() -> None:
    """Steps of 1 and a weight of .5: the 5th of 8 is at least 3 above the 9th, less what z-scores move."""
    reranker = Timed(sign=-1)
    trace, order = run(spec(depth=40, stop_gap=2.0), reranker)
    assert [len(part) for part in reranker.asked] == [SLICE]
    assert (trace.rerank.status, trace.rerank.scored, trace.rerank.asked) == ("applied", SLICE, 40)
    assert trace.rerank.reason == "it stopped after 8 of 40 candidates: none below could enter the top"
    assert trace.degraded == ()
    whole, _ = run(spec(depth=40), Timed(sign=-1))
    assert order[:5] == [c.passage.document_id for c in whole.final[:5]]
    again, _ = run(spec(depth=40, stop_gap=2.0), Timed(sign=-1), stored=trace)
    assert (again.rerank, again.rankings) == (trace.rerank, trace.rankings)


def test_a_wider_gap_goes_deeper_and_a_gap_of_nought_to_the_end() -> None:
    depths = []
    for gap in (1.0, 20.0, 60.0):
        reranker = Timed(sign=-1)
        run(spec(depth=40, stop_gap=gap), reranker)
        depths.append(sum(map(len, reranker.asked)))
    assert depths == sorted(set(depths))
    whole = Timed(sign=-1)
    run(spec(depth=40), whole)
    assert [len(part) for part in whole.asked] == [40]


def test_places_of_two_slices_are_never_compared() -> None:
    reranker = Timed(kind="ordinal", sign=-1)
    paces = Paces()
    trace, _ = run(spec(depth=40, stop_gap=0.1), reranker, paces=paces)
    assert len(reranker.asked[-1]) == 40
    assert trace.rerank.scored == 40
    reranker.asked.clear()
    run(spec(depth=40, stop_gap=0.1), reranker, paces=paces)
    assert [len(part) for part in reranker.asked] == [40], "it was learned the first time"


def test_a_slice_that_fails_keeps_the_ones_before() -> None:
    class Dies(Timed):
        def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
            if self.asked:
                raise RerankUnavailable("gone")
            return super().score(query, passages, deadline=deadline)

    trace, _ = run(spec(depth=40, stop_gap=90.0), Dies())
    assert (trace.rerank.status, trace.rerank.scored) == ("partial", SLICE)


# --- Doing without ---------------------------------------------------------------------------------------


def test_too_few_candidates_are_not_reranked_and_it_is_said() -> None:
    reranker = Timed()
    trace, order = run(spec(min_candidates=5), reranker, count=4)
    assert (reranker.asked, order) == ([], names(*range(4)))
    assert trace.rerank.status == "skipped"
    assert (
        trace.rerank.reason == "Not reranked: 4 candidates were found, and this pipeline reranks from 5 on."
    )
    assert trace.degraded == ()
    assert run(spec(min_candidates=5), reranker, count=5)[0].rerank.status == "applied"


def test_a_generator_that_reads_many_passages_does_without() -> None:
    trace, _ = run(spec(top=30, skip_from_context=30), Timed())
    assert trace.rerank.status == "skipped"
    assert "handed 30 passages" in trace.rerank.reason
    assert trace.degraded == ()
    assert run(spec(top=29, skip_from_context=30), Timed())[0].rerank.status == "applied"
    assert run(spec(top=30), Timed())[0].rerank.status == "applied"


# --- The spec --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"before": [{"depth": 5, "keep": 6, "budget_ms": 1}]},
        {"window_tokens": 100, "window_overlap": 100},
        {"window_overlap": 10},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="The pipeline spec is wrong"):
        spec(**wrong)


# --- Real models -----------------------------------------------------------------------------------------


@pytest.mark.models
def test_a_cascade_of_real_models_with_windows_is_made_from_its_spec(tmp_path: Path) -> None:
    stage = {"model": models.CROSS_ENCODER, "depth": 12, "keep": 6, "budget_ms": 30_000}
    of = spec([stage], depth=4, window_tokens=40, window_overlap=10, budget_ms=60_000)
    parts = Backends(models.folder)
    encoder = parts.encoder(of.encoder)
    embedded.create(tmp_path, encoder.fingerprint, encoder.dimension)
    writer = embedded.open_writer(tmp_path, encoder.fingerprint, encoder.dimension)
    for number in range(12):
        text = "The market sells fish and bread. " * (10 * (number % 3) + 1)
        text += "The ferry leaves at seven." if number == 8 else "Nobody knows."
        parsed = ParsedDocument(title=f"Note {number}", text=text)
        name, passages = f"n{number}", of.split
        found = split(parsed, document_id=name, version=1, collection="c", encoder=encoder, spec=passages)
        writer.write(encode([found], encoder))
    writer.close()
    index = embedded.open_reader(tmp_path, encoder.fingerprint, encoder.dimension)
    trace = parts.pipeline("cascade", of, index).answer(QUERY)
    reached = {ranking.stage: len(ranking) for ranking in trace.rankings}
    assert (reached["coarse"], reached["reranked"]) == (12, 4)
    assert trace.final[0].passage.document_id == "n8"
    assert trace.spent["reranked"].windows > 0
    assert trace.spent["reranked"].texts > 4
    assert trace.spent["coarse"].windows == 0
    assert trace.degraded == ()
    assert trace_store.from_json(trace_store.to_json(trace), trace_store.texts(trace)) == trace
