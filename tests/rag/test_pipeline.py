"""The path of a question over a real index, with parts that fail by script."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rag import spec as specs
from rag.answers import Answer, Usage
from rag.backends import Backends
from rag.encode.base import Encoding
from rag.encode.hashing import HashingEncoder
from rag.errors import EncoderUnavailable, GenerationUnavailable, RerankUnavailable
from rag.events import Delta
from rag.fuse import rrf
from rag.generate.base import Finished
from rag.index import embedded
from rag.ingest import encode
from rag.models import ModelStore
from rag.parse.base import ParsedDocument
from rag.pipeline import Pipeline, Replay
from rag.rerank.late_interaction import LateInteraction
from rag.split import split
from rag.trace import Trace
from rag.types import Passage, Query, Scores
from rag.verify.overlap import OverlapVerifier

TEXTS = {
    "ferry": "The ferry leaves at seven in the morning.",
    "light": "The lighthouse flashes three times in the night.",
    "market": "The market sells fish in the morning.",
    "secret": "The secret ferry leaves at night.",
}
QUESTION = Query(id="q", text="When does the ferry leave in the morning?", collections=("open",))


class Scripted:
    """A reranker that does what it was told."""

    fingerprint = "scripted"

    def __init__(self, *values: float | None, error: Exception | None = None) -> None:
        self.values, self.error = values, error

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        if self.error:
            raise self.error
        values = self.values or tuple(float(i) for i in range(len(passages)))
        return Scores("logit", values, 1.0)


class Blind(HashingEncoder):
    def encode_queries(self, texts: Sequence[str]) -> Encoding:
        raise EncoderUnavailable("the model is gone")


class Writer:
    fingerprint = "scripted"

    def __init__(self, *, dies: bool = False) -> None:
        self.dies = dies

    def stream(
        self, question: str, context: Sequence[Passage], *, deadline: float
    ) -> Iterator[Delta | Finished]:
        yield Delta("At ")
        if self.dies:
            raise GenerationUnavailable("the server hung up")
        yield Delta("seven.")
        yield Finished(Answer("At seven.", (), "answered"), Usage("scripted", 1, 2))

    def count(self, texts: Sequence[str]) -> None:
        """It reads by no tokens."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    root: Path = tmp_path_factory.mktemp("index")
    spec = specs.load(Path("search_app/specs/default.toml"))
    encoder = HashingEncoder()
    embedded.create(root, encoder.fingerprint, encoder.dimension)
    writer = embedded.open_writer(root, encoder.fingerprint, encoder.dimension)
    for name, text in TEXTS.items():
        collection = "closed" if name == "secret" else "open"
        parsed = ParsedDocument(title=name, text=text)
        passages = split(
            parsed, document_id=name, version=1, collection=collection, encoder=encoder, spec=spec.split
        )
        writer.write(encode([passages], encoder))
    writer.close()
    index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
    return Pipeline(
        name="default",
        spec=spec,
        encoder=encoder,
        index=index,
        late=LateInteraction(encoder, index.token_codes),
        reranker=Scripted(),
        generator=Writer(),
        verifier=OverlapVerifier(0.5),
    )


def order(trace: Trace, stage: str) -> list[str]:
    ranking = trace.ranking(stage)
    return [p.document_id for p in ranking.passages] if ranking else []


def test_every_stage_is_in_the_trace(pipeline: Pipeline) -> None:
    trace = pipeline.answer(QUESTION)
    assert [r.stage for r in trace.rankings] == ["bm25", "knn", "fused", "late", "reranked", "final"]
    steps = ["encode", "bm25", "knn", "permit", "fused", "late", "reranked", "final", "pack", "generate"]
    assert [t.step for t in trace.timings] == [*steps, "verify"]
    assert [check.verdict for check in trace.checks] == ["unsupported"]  # it cites nothing
    assert trace.rerank.status == "applied"
    assert trace.degraded == ()
    assert trace.readable == 3
    assert trace.answer == Answer("At seven.", (), "answered")
    assert trace.fingerprint == pipeline.spec.fingerprint
    assert order(trace, "bm25")[0] == "ferry"


def test_the_asker_meets_only_what_he_may_read(pipeline: Pipeline) -> None:
    assert all(p.collection == "open" for p in pipeline.answer(QUESTION).passages.values())
    nobody = pipeline.answer(replace(QUESTION, collections=()))
    assert nobody.passages == {}
    assert nobody.answer is not None and nobody.answer.finish_reason == "no_answer"
    assert (nobody.rerank.status, nobody.degraded) == ("skipped", ())


def test_what_may_not_be_read_any_more_enters_no_ranking(pipeline: Pipeline) -> None:
    def without_ferry(passages: Sequence[Passage]) -> frozenset[str]:
        return frozenset(p.id for p in passages if p.document_id != "ferry")

    trace = pipeline.answer(QUESTION, without_ferry)
    assert trace.refused == 1
    assert "ferry" not in {p.document_id for p in trace.passages.values()}


@pytest.mark.parametrize(
    "broken",
    [
        Scripted(error=RerankUnavailable("the worker is away")),
        Scripted(math.nan, 1.0, 1.0),
        Scripted(1.0),
        None,
    ],
)
def test_a_cross_encoder_that_failed_keeps_the_order_and_is_said(pipeline: Pipeline, broken) -> None:  # type: ignore[no-untyped-def]
    weightless = specs.from_mapping(pipeline.spec.as_dict() | {"rerank": None})
    without = replace(pipeline, spec=weightless).answer(QUESTION)
    trace = replace(pipeline, reranker=broken).answer(QUESTION)
    assert order(trace, "final") == order(without, "final")
    assert len(trace.context) == len(without.context)
    assert trace.rerank.status == "fallback"
    assert trace.degraded == (trace.rerank.reason,)
    assert (without.rerank.status, without.degraded) == ("skipped", ())


def test_a_cross_encoder_that_ran_out_of_time_is_partial(pipeline: Pipeline) -> None:
    trace = replace(pipeline, reranker=Scripted(-5.0, 5.0, None)).answer(QUESTION)
    rerank = trace.rerank
    assert (rerank.status, rerank.scored, rerank.asked) == ("partial", 2, 3)
    before = order(replace(pipeline, reranker=None).answer(QUESTION), "final")
    assert sorted(order(trace, "final")[:2]) == sorted(before[:2])
    assert order(trace, "final")[2] == before[2]


@pytest.mark.parametrize("method", ["rrf", "minmax", "zscore"])
def test_without_late_interaction_the_fusion_is_the_order(pipeline: Pipeline, method: str) -> None:
    data = pipeline.spec.as_dict() | {"late": None, "rerank": None}
    data["fuse"] |= {"method": method, "bm25": 0.1, "knn": 0.9}
    trace = replace(pipeline, spec=specs.from_mapping(data)).answer(QUESTION)
    assert order(trace, "final") == order(trace, "fused") != []


def test_the_rrf_pipeline_ends_in_reciprocal_rank_fusion(pipeline: Pipeline) -> None:
    trace = replace(pipeline, spec=specs.load(Path("search_app/specs/rrf.toml"))).answer(QUESTION)
    legs = [ranking for stage in ("bm25", "knn") if (ranking := trace.ranking(stage))]
    assert order(trace, "final") == [p.document_id for p in rrf(legs).passages]


def test_a_required_cross_encoder_fails_the_question(pipeline: Pipeline) -> None:
    data = pipeline.spec.as_dict()
    data["rerank"]["required"] = True
    strict = replace(pipeline, spec=specs.from_mapping(data), reranker=None)
    with pytest.raises(RerankUnavailable):
        strict.answer(QUESTION)


def test_without_a_vector_words_go_on_alone(pipeline: Pipeline) -> None:
    trace = replace(pipeline, encoder=Blind()).answer(QUESTION)
    assert order(trace, "knn") == []
    assert order(trace, "final")[0] == "ferry"
    assert trace.degraded == ("Searched by words only: the model is gone",)


def test_bugs_surface(pipeline: Pipeline) -> None:
    with pytest.raises(ZeroDivisionError):
        replace(pipeline, reranker=Scripted(error=ZeroDivisionError())).answer(QUESTION)


def test_an_answer_that_broke_off_keeps_its_text_and_passages(pipeline: Pipeline) -> None:
    trace = replace(pipeline, generator=Writer(dies=True)).answer(QUESTION)
    assert trace.answer == Answer("At ", (), "failed")
    assert len(trace.context) == 3
    assert trace.degraded == ("The answer could not be written to its end: the server hung up",)


def test_the_deadline_is_the_budget(pipeline: Pipeline) -> None:
    seen: list[float] = []

    class Watching(Scripted):
        def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
            seen.append(deadline - time.monotonic())
            return super().score(query, passages, deadline=deadline)

    replace(pipeline, reranker=Watching()).answer(QUESTION)
    assert pipeline.spec.rerank is not None
    budget = pipeline.spec.rerank.budget_ms / 1000
    assert 0 < seen[0] <= budget


def test_stored_legs_stand_in_for_retrieval(pipeline: Pipeline) -> None:
    stored = pipeline.answer(QUESTION)
    blind = replace(pipeline, encoder=Blind(), late=pipeline.late)
    assert blind.answer(QUESTION, replay=Replay(stored, from_legs=True)).rankings == stored.rankings


def test_a_replay_scores_what_was_scored_however_long_it_takes(pipeline: Pipeline) -> None:
    cut = replace(pipeline, reranker=Scripted(-5.0, 5.0, None)).answer(QUESTION)

    class Patient(Scripted):
        def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
            assert deadline == math.inf
            return Scores("logit", (-5.0, 5.0), 1.0)

    again = replace(pipeline, reranker=Patient()).answer(QUESTION, replay=Replay(cut))
    assert again.rerank == cut.rerank
    assert again.rankings == cut.rankings


def test_a_generator_that_is_not_here_names_what_to_do(pipeline: Pipeline, tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    name = "smollm2-135m-instruct-q4_1"
    generate = msgspec.structs.replace(pipeline.spec.generate, model=name, backend="llama")
    encoder = specs.EncoderSpec(backend="hashing", model="")
    spec = msgspec.structs.replace(pipeline.spec, generate=generate, encoder=encoder, rerank=None)
    trace = Backends(store.path).pipeline("it", spec, pipeline.index).answer(QUESTION)
    (skip,) = (skip for skip in trace.skipped if skip.stage == "generate")
    assert skip.reason.startswith(f"No answer was written: The model {name}")
    assert f"manage.py models pull {name}" in skip.reason
