import time
from collections.abc import Sequence

import pytest

from rag.codes import TokenCodes, quantise
from rag.encode.base import Encoding
from rag.encode.hashing import HashingEncoder
from rag.errors import EncoderUnavailable, RerankUnavailable
from rag.rerank.late_interaction import LateInteraction, build
from rag.types import Passage
from tests.contracts.reranker import PASSAGES, QUERY, RerankerContract, far
from tests.rag.build import passage

encoder = HashingEncoder(384)


def codes_of(*passages: Passage) -> dict[str, TokenCodes]:
    states = encoder.encode_passages([p.search_text for p in passages]).states
    return {p.id: quantise(s) for p, s in zip(passages, states, strict=True)}


class Index:
    """Codes made on demand for the passages of a test, as an index would have stored them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.codes = codes_of(*passages)

    def token_codes(self, ids: Sequence[str]) -> tuple[TokenCodes | None, ...]:
        return tuple(self.codes.get(id_) for id_ in ids)


class TestLateInteraction(RerankerContract):
    @pytest.fixture
    def reranker(self) -> LateInteraction:
        return build(encoder, Index(PASSAGES).token_codes)

    def test_odd_texts_are_scored_too(self, reranker: LateInteraction) -> None:  # type: ignore[override]
        odd = [passage("odd", n, text=text) for n, text in enumerate((".", "", "x" * 20_000))]
        values = build(encoder, Index(odd).token_codes).score(QUERY, odd, deadline=far()).values
        assert values[1] == -1.0, "a passage without tokens"
        assert all(value is not None for value in values)


def test_passages_without_codes_have_no_score() -> None:
    late = build(encoder, Index(PASSAGES[:1]).token_codes)
    scores = late.score(QUERY, PASSAGES, deadline=far())
    assert scores.kind == "maxsim"
    assert [value is None for value in scores.values] == [False, True, True, True]
    with pytest.raises(RerankUnavailable, match="no token codes"):
        late.score(QUERY, PASSAGES[1:], deadline=far())


def test_equal_words_in_any_order_score_near_one() -> None:
    same = passage("same", text="morning the in leave ferry the does When ?")
    value = build(encoder, Index([same]).token_codes).score(QUERY, [same], deadline=far()).values[0]
    assert value == pytest.approx(1.0, abs=0.02)


def test_without_an_encoder_there_are_no_scores() -> None:
    class Gone(HashingEncoder):
        def encode_queries(self, texts: Sequence[str]) -> Encoding:
            raise EncoderUnavailable("gone")

    with pytest.raises(RerankUnavailable, match="encoder"):
        build(Gone(), Index(PASSAGES).token_codes).score(QUERY, PASSAGES, deadline=far())


def test_a_question_without_words_has_no_scores() -> None:
    with pytest.raises(RerankUnavailable, match="no words"):
        build(encoder, Index(PASSAGES).token_codes).score(" ", PASSAGES, deadline=far())


def test_no_work_is_begun_after_the_deadline() -> None:
    with pytest.raises(RerankUnavailable, match="no time"):
        build(encoder, Index(PASSAGES).token_codes).score(QUERY, PASSAGES, deadline=time.monotonic())
