"""What the cache gives is what the reranker would have given, and it is asked for nothing twice."""

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import RerankUnavailable
from rag.pace import Pace
from rag.rerank import onnx
from rag.rerank.base import ByText
from rag.rerank.cache import CachedReranker, MemoryScores, ScoreStore
from rag.types import ScoreKind, Scores, Spent
from tests import models
from tests.contracts.reranker import QUERY, RerankerContract, far
from tests.rag.build import passage

SECRET = b"secret of this installation"


class Lengths(ByText):
    """Scores a text by its length; it can be told to be out of time, to fail, and to give what is none."""

    def __init__(self, fingerprint: str = "lengths", kind: ScoreKind = "logit") -> None:
        self.fingerprint, self.kind = fingerprint, kind
        self.asked: list[list[str]] = []
        self.room = 1000
        self.broken: dict[str, float] = {}
        self.short = False

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        self.asked.append(list(texts))
        if texts and not self.room:
            raise RerankUnavailable("There was no time.")
        values = [self.broken.get(text, float(len(text) + len(query))) for text in texts]
        cut: list[float | None] = [*values[: self.room], *[None] * len(values[self.room :])]
        return Scores(
            self.kind, tuple(cut[:-1] if self.short else cut), 2.0, Spent(texts=len(values[: self.room]))
        )


def around(inner: Lengths, store: ScoreStore | None = None, secret: bytes = SECRET) -> CachedReranker:
    return CachedReranker(inner, store or MemoryScores(100), secret)


@pytest.fixture(scope="module")
def reranker() -> CachedReranker:
    inner = onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), threads=2)
    return CachedReranker(inner, MemoryScores(1000), SECRET)


@pytest.mark.models
class TestCached(RerankerContract):
    def test_kept_scores_are_the_scores_to_the_last_bit(self, reranker: CachedReranker) -> None:
        texts = [f"The ferry number {n} leaves at seven." for n in range(5)]
        anew = reranker.inner.score_texts(QUERY, texts, deadline=far()).values
        first = reranker.score_texts(QUERY, texts, deadline=far())
        again = reranker.score_texts(QUERY, texts[::-1], deadline=far())
        assert first.values == anew
        assert again.values == anew[::-1]
        assert (first.spent.cached, again.spent.cached) == (0, 5)
        assert (again.kind, again.spent.texts, again.spent.tokens) == ("logit", 0, 0)


def test_only_what_is_not_known_is_scored() -> None:
    inner = Lengths()
    cached = around(inner)
    cached.score_texts("q", ["a", "bb"], deadline=far())
    scores = cached.score_texts("q", ["ccc", "bb", "a", "dddd"], deadline=far())
    assert scores.values == (4.0, 3.0, 2.0, 5.0)
    assert inner.asked == [["a", "bb"], ["ccc", "dddd"]]
    assert (scores.spent.cached, scores.spent.texts) == (2, 2)


@given(
    known=st.lists(st.text(max_size=5), max_size=6),
    asked=st.lists(st.text(max_size=5), max_size=9),
    room=st.integers(1, 9),
)
def test_a_prefix_of_the_true_scores_at_any_time_and_whatever_is_known(
    known: list[str], asked: list[str], room: int
) -> None:
    inner = Lengths()
    cached = around(inner)
    cached.score_texts("q", known, deadline=far())
    inner.room = room
    values = cached.score_texts("q", asked, deadline=far()).values
    true = Lengths().score_texts("q", asked, deadline=far()).values
    scored = values.index(None) if None in values else len(values)
    assert values == true[:scored] + (None,) * (len(asked) - scored)
    assert scored >= min(room, len(asked))


def test_known_scores_after_the_last_one_there_was_time_for_do_not_count() -> None:
    inner = Lengths()
    cached = around(inner)
    cached.score_texts("q", ["last"], deadline=far())
    inner.room = 1
    scores = cached.score_texts("q", ["a", "bb", "last"], deadline=far())
    assert scores.values == (2.0, None, None)
    assert scores.spent.cached == 0


def test_another_question_text_model_or_installation_is_another_key() -> None:
    store = MemoryScores(100)
    inner, other = Lengths(), Lengths("lengths:2")
    around(inner, store).score_texts("q", ["a"], deadline=far())
    for reranker, query, text in (
        (around(inner, store), "q ", "a"),
        (around(inner, store), "q", "b"),
        (around(other, store), "q", "a"),
        (around(Lengths("length"), store), "sq", "a"),
        (around(inner, store, b"another"), "q", "a"),
    ):
        assert reranker.score_texts(query, [text], deadline=far()).spent.cached == 0
    assert around(inner, store).score_texts("q", ["a"], deadline=far()).spent.cached == 1


def test_a_passage_is_known_by_all_that_is_read_of_it_and_by_nothing_else() -> None:
    cached = around(Lengths())
    one = passage("a", text="text", title="Title")
    cached.score("q", [one], deadline=far())
    same, retitled = passage("b", 4, text="text", title="Title"), passage("a", text="text", title="Other")
    assert cached.score("q", [same], deadline=far()).spent.cached == 1
    assert cached.score("q", [retitled], deadline=far()).spent.cached == 0


def test_what_is_no_score_is_not_kept() -> None:
    inner = Lengths()
    inner.broken, inner.room = {"nan": math.nan, "inf": -math.inf}, 3
    cached = around(inner)
    values = cached.score_texts("q", ["nan", "a", "inf", "late"], deadline=far()).values
    assert str(values) == "(nan, 2.0, -inf, None)"
    inner.broken, inner.room = {}, 1000
    scores = cached.score_texts("q", ["nan", "a", "inf", "late"], deadline=far())
    assert scores.values == (4.0, 2.0, 4.0, 5.0)
    assert scores.spent.cached == 1


def test_a_reranker_that_is_away_is_not_needed_for_what_is_known_and_is_for_the_rest() -> None:
    inner = Lengths()
    cached = around(inner)
    cached.score_texts("q", ["a", "b"], deadline=far())
    inner.room = 0
    assert cached.score_texts("q", ["b", "a"], deadline=time.monotonic() - 1).values == (2.0, 2.0)
    with pytest.raises(RerankUnavailable, match="no time"):
        cached.score_texts("q", ["b", "c"], deadline=far())


def test_a_reply_of_the_wrong_length_is_refused() -> None:
    inner = Lengths()
    inner.short = True
    with pytest.raises(RerankUnavailable, match="cannot be used"):
        around(inner).score_texts("q", ["a", "b"], deadline=far())


def test_places_in_a_list_are_kept_for_that_list_only() -> None:
    inner = Lengths(kind="ordinal")
    cached = around(inner)
    first = cached.score_texts("q", ["a", "bb"], deadline=far())
    assert cached.score_texts("q", ["a", "bb"], deadline=far()).values == first.values
    assert inner.asked == [["a", "bb"]]
    for texts in (["bb", "a"], ["a"], ["a", "bb", "c"]):
        assert cached.score_texts("q", texts, deadline=far()).spent.cached == 0


def test_scores_of_another_scale_are_never_mixed() -> None:
    inner = Lengths()
    cached = around(inner)
    cached.score_texts("q", ["a"], deadline=far())
    inner.kind = "rating"
    scores = cached.score_texts("q", ["a", "b"], deadline=far())
    assert (scores.kind, scores.values) == ("rating", (2.0, 2.0))
    assert inner.asked[-1] == ["a", "b"]
    assert cached.score_texts("q", ["a", "b"], deadline=far()).spent.cached == 2


def test_waiting_and_computing_stay_apart() -> None:
    class Waits(Lengths):
        def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
            time.sleep(0.05)
            return super().score_texts(query, texts, deadline=deadline)

    assert around(Waits()).score_texts("q", ["a"], deadline=far()).compute_ms < 40


def test_the_store_is_bounded_and_forgets_what_was_not_asked_for_the_longest() -> None:
    store = MemoryScores(3)
    store.put({b"1": b"a", b"2": b"b", b"3": b"c"})
    assert store.get([b"1"]) == [b"a"]
    store.put({b"4": b"d"})
    assert store.get([b"1", b"2", b"3", b"4"]) == [b"a", None, b"c", b"d"]


@given(entry=st.binary(max_size=40))
def test_an_entry_that_nobody_wrote_is_as_good_as_none(entry: bytes) -> None:
    class Odd:
        def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
            return [entry] * len(keys)

        def put(self, entries: object) -> None: ...

    values = CachedReranker(Lengths(), Odd(), SECRET).score_texts("q", ["a", "bb"], deadline=far()).values
    assert all(value is not None and math.isfinite(value) for value in values)


def test_a_stage_goes_deeper_each_time_it_is_asked_for_what_it_knows_costs_nothing() -> None:
    """A reranker that gives nothing at its deadline is asked for no more than there is time for."""
    passages = [passage("a", n) for n in range(10)]
    cached, pace = around(Lengths()), Pace()
    pace.learn(100, 100.0)
    pace.at_the_deadline = "nothing"
    reached = []
    for _ in range(5):
        reached.append(pace.reach([100] * 10, 350.0, cached.known("q", passages)))
        cached.score("q", passages[: reached[-1]], deadline=far())
    assert reached == [3, 6, 9, 10, 10]
    cached.score("q2", passages[:4], deadline=far())
    assert pace.reach([100] * 10, 20.0, cached.known("q2", passages)) == 5, "one more is tried"
    assert pace.reach([100] * 10, 20.0, cached.known("q3", passages)) == 1
