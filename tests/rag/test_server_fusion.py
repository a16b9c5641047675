"""A pipeline whose spec has the index fuse: what it asks, what it says where the index cannot."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rag import spec as specs
from rag.encode.base import Encoding
from rag.encode.hashing import HashingEncoder
from rag.errors import EncoderUnavailable, IndexUnavailable
from rag.fuse import fuse
from rag.index import embedded
from rag.index.base import EncodedPassages, Leg
from rag.pipeline import Pipeline, Replay
from rag.spec import PipelineSpec
from rag.trace_store import from_json, texts, to_json
from rag.types import Dense, Filters, Hybrid, Lexical, Query, Ranking, Subquery
from tests.rag.build import order, ranking

WORDS, MEANING = ranking("bm25", a=3.0, b=2.0, c=1.0), ranking("knn", "cosine", b=0.9, d=0.5)
FUSED = ranking("fused", "rrf", d=0.03, a=0.02, b=0.01)
QUESTION = Query(id="q", text="alpha", collections=("c",))
DOWN = IndexUnavailable("it is down.")


class Index:
    """Gives what it was told to."""

    version = "passages-0001"

    def __init__(self, **results: Ranking | IndexUnavailable) -> None:
        self.results = results
        self.asked: Sequence[Subquery] = ()

    def search(
        self, subqueries: Sequence[Subquery], k: int, collections: Sequence[str], filters: Filters
    ) -> tuple[Leg, ...]:
        self.asked = subqueries
        names = {Lexical: "bm25", Dense: "knn", Hybrid: "fused"}
        found = [self.results[names[type(one)]] for one in subqueries]
        return tuple(
            Leg(None, of, 0.0, 1.0) if isinstance(of, Exception) else Leg(of, None, 0.0, 1.0) for of in found
        )

    def count(self, collections: Sequence[str]) -> int:
        return 4


class Blind(HashingEncoder):
    def encode_queries(self, texts: Sequence[str]) -> Encoding:
        raise EncoderUnavailable("the model is gone")


def spec(server: bool, method: str = "rrf") -> PipelineSpec:
    data = specs.load(Path("search_app/specs/default.toml")).as_dict()
    data |= {"late": None, "rerank": None, "generate": None}
    data["fuse"] |= {"server": server, "method": method, "bm25": 0.3, "knn": 0.7}
    return specs.from_mapping(data)


def pipeline(index: object, *, server: bool = True, encoder: HashingEncoder | None = None) -> Pipeline:
    return Pipeline(name="p", spec=spec(server), encoder=encoder or HashingEncoder(), index=index, late=None)  # type: ignore[arg-type]


def test_the_indexs_order_is_the_fusion() -> None:
    index = Index(bm25=WORDS, knn=MEANING, fused=FUSED)
    trace = pipeline(index).answer(QUESTION)
    assert [type(one) for one in index.asked] == [Lexical, Dense, Hybrid]
    hybrid = index.asked[2]
    assert isinstance(hybrid, Hybrid) and (hybrid.method, hybrid.bm25, hybrid.knn) == ("rrf", 0.3, 0.7)
    assert [r.stage for r in trace.rankings] == ["bm25", "knn", "fused", "final"]
    fused = trace.ranking("fused")
    assert fused is not None and order(fused) == ["d", "a", "b"] and not trace.degraded


def test_it_is_not_asked_unless_the_spec_says_so() -> None:
    index = Index(bm25=WORDS, knn=MEANING, fused=FUSED)
    trace = pipeline(index, server=False).answer(QUESTION)
    assert [type(one) for one in index.asked] == [Lexical, Dense]
    assert trace.ranking("fused") == fuse([WORDS, MEANING], "rrf", {})


def test_where_it_fails_it_is_done_here_and_said() -> None:
    trace = pipeline(Index(bm25=WORDS, knn=MEANING, fused=DOWN)).answer(QUESTION)
    assert trace.ranking("fused") == fuse([WORDS, MEANING], "rrf", {})
    assert trace.degraded == ("Not fused by the index, but here: it is down.",)
    assert from_json(to_json(trace), texts(trace)) == trace


def test_no_leg_no_answer_even_if_the_fusion_came() -> None:
    with pytest.raises(IndexUnavailable):
        pipeline(Index(bm25=DOWN, knn=DOWN, fused=FUSED)).answer(QUESTION)


def test_one_leg_may_fail_beside_the_fusion() -> None:
    trace = pipeline(Index(bm25=WORDS, knn=DOWN, fused=FUSED)).answer(QUESTION)
    fused = trace.ranking("fused")
    assert fused is not None and order(fused) == ["d", "a", "b"]
    assert trace.degraded == ("Searched by words only: it is down.",)


def test_without_a_vector_there_is_nothing_to_fuse_there() -> None:
    index = Index(bm25=WORDS)
    trace = pipeline(index, encoder=Blind()).answer(QUESTION)
    assert [type(one) for one in index.asked] == [Lexical] and len(trace.degraded) == 1


def test_what_may_not_be_read_leaves_the_fusion_too() -> None:
    index = Index(bm25=WORDS, knn=MEANING, fused=FUSED)
    readable = frozenset(p.id for p in FUSED.passages if p.document_id != "d")
    trace = pipeline(index).answer(QUESTION, permit=lambda passages: readable)
    assert "d:1:0" not in trace.passages
    fused = trace.ranking("fused")
    assert fused is not None and order(fused) == ["a", "b"]


def test_a_replay_from_the_legs_keeps_the_indexs_fusion() -> None:
    trace = pipeline(Index(bm25=WORDS, knn=MEANING, fused=FUSED)).answer(QUESTION)
    again = pipeline(Index()).answer(QUESTION, replay=Replay(trace, from_legs=True))
    assert again.ranking("fused") == trace.ranking("fused")
    skipped = pipeline(Index(bm25=WORDS, knn=MEANING, fused=DOWN)).answer(QUESTION)
    again = pipeline(Index()).answer(QUESTION, replay=Replay(skipped, from_legs=True))
    assert again.ranking("fused") == skipped.ranking("fused")


def test_the_embedded_index_says_that_it_cannot(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    embedded.create(tmp_path, encoder.fingerprint, encoder.dimension)
    passages = WORDS.passages[:2]
    encoding = encoder.encode_passages([p.text for p in passages])
    writer = embedded.open_writer(tmp_path, encoder.fingerprint, encoder.dimension)
    writer.write(
        EncodedPassages(p.document_id, 1, (p,), encoding.vectors[i : i + 1], (_codes(encoder, p.text),))
        for i, p in enumerate(passages)
    )
    writer.close()
    index = embedded.open_reader(tmp_path, encoder.fingerprint, encoder.dimension)
    trace = pipeline(index).answer(replace(QUESTION, text="text of a"))
    assert len(trace.degraded) == 1 and "embedded index does not fuse" in trace.degraded[0]
    fused = trace.ranking("fused")
    assert fused is not None and order(fused)[0] == "a"


def _codes(encoder: HashingEncoder, text: str):  # type: ignore[no-untyped-def]
    from rag.codes import quantise

    return quantise(encoder.encode_passages([text]).vectors)


# --- The spec ---------------------------------------------------------------------------------------------


def test_fingerprints_of_older_specs_stay() -> None:
    old = specs.load(Path("search_app/specs/default.toml")).as_dict()
    assert "server" not in old["fuse"]
    said = old | {"fuse": old["fuse"] | {"server": False}}
    assert specs.from_mapping(said).fingerprint == specs.from_mapping(old).fingerprint
    assert specs.from_mapping(said).as_dict() == old
    assert b"server" not in specs.canonical(specs.from_mapping(said))


def test_a_spec_that_has_the_index_fuse_is_another_one() -> None:
    assert spec(True).fingerprint != spec(False).fingerprint
    assert spec(True).as_dict()["fuse"]["server"] is True
    assert msgspec.json.decode(specs.canonical(spec(True)))["fuse"]["server"] is True


def test_the_whole_of_a_spec_has_what_its_canonical_form_leaves_out() -> None:
    whole = spec(False).whole()
    assert whole["fuse"]["server"] is False and whole["late"] is None
    assert specs.from_mapping(whole) == spec(False)
