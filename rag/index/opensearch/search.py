"""One search: its subqueries in one `_msearch`, asked again for what ties, fails for now, or moved away."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from rag.deadline import left
from rag.errors import IndexUnavailable
from rag.index.base import Leg
from rag.index.opensearch import hybrid, query
from rag.index.opensearch.answers import Answer, Answers, failure, lacking, read, scored
from rag.index.opensearch.cluster import PAUSE_S, TRIES, Cluster, ClusterFailure
from rag.index.opensearch.plan import Plan
from rag.types import Dense, Hybrid, Lexical, Passage, Ranking, Subquery

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_MARGIN = 10
"""More than `k` are asked for, to see whether the last one ties with others."""
_WIDEST = 2_000
"""Where even so many tie, the cluster is asked to put them into the order of passage ids."""
_LUCENE_2 = 2.2
"""The factor (k1 + 1) that Lucene 9 leaves in BM25 for versions 2.x of the cluster."""
_NEAR = 2
_LEAST_NEAR = 200
"""The graph is searched for twice as many as are asked for: recall@100 is .997 so, and .989 without, on
10,738 real passages in one segment. Lucene looks at no more than it is to give (`ef` is `k`)."""


@dataclass(slots=True)
class _Asking:
    """One subquery on its way."""

    subquery: Subquery
    window: int
    clauses: int = query.CLAUSES
    exactly: bool = False
    alone: bool = False
    tries: int = 1
    leg: Leg | None = None


class Search:
    """`plan` says where to look; asked with True it looks itself up anew, because an index is gone."""

    def __init__(self, cluster: Cluster, plan: Callable[[bool], Plan], k: int, until: float) -> None:
        self._cluster = cluster
        self._plan_of = plan
        self._began = time.monotonic()
        self._until = until
        self._k = k
        self._moved = False
        self._plan = plan(False)

    def run(self, subqueries: Sequence[Subquery]) -> tuple[Leg, ...]:
        """A leg for each. Raises `IndexUnavailable` when none has a ranking."""
        for subquery in subqueries:
            has = self._plan.version.meta.dimension
            if not isinstance(subquery, Lexical) and len(subquery.vector) != has:
                raise ValueError(f"the query has {len(subquery.vector)} dimensions, the index {has}")
        every = [self._asking(subquery) for subquery in subqueries]
        while waiting := [asking for asking in every if asking.leg is None]:
            if any(asking.alone for asking in waiting):
                for asking in waiting:
                    self._round([asking])
            else:
                self._round(waiting)
        legs = tuple(asking.leg for asking in every if asking.leg)
        errors = [leg.error for leg in legs if leg.error]
        if errors and len(errors) == len(legs):
            raise errors[0]
        return legs

    def _asking(self, subquery: Subquery) -> _Asking:
        if not isinstance(subquery, Hybrid):
            return _Asking(subquery, self._k + _MARGIN)
        asking = _Asking(subquery, 2 * self._k)
        try:
            able, weights = self._cluster.able, (subquery.bm25, subquery.knn)
            if objection := hybrid.objection(able, subquery.method, *weights):
                self._end(asking, IndexUnavailable(objection))
        except IndexUnavailable as error:
            self._end(asking, error)
        return asking

    def _round(self, waiting: Sequence[_Asking]) -> None:
        """Ask once for these; each then has its leg, or is changed for the next round."""
        asked = [(asking, found) for asking in waiting if (found := self._found(asking)) is not None]
        for asking in waiting:
            if all(asking is not other for other, _ in asked):
                self._end(asking, _ranking(asking.subquery, ()))
        if not asked:
            return
        try:
            answers = self._ask(asked)
        except IndexUnavailable as error:
            if len(asked) > 1 and _refused(error):
                for asking, _ in asked:
                    asking.alone = True
            else:
                for asking, _ in asked:
                    self._end(asking, error)
            return
        pause = 0.0
        moved = False
        for (asking, _), answer in zip(asked, answers, strict=True):
            try:
                if answer.gone and not self._moved:
                    moved = True
                elif answer.passing and self._may_try(asking):
                    pause = max(pause, PAUSE_S * 2 ** (asking.tries - 2))
                else:
                    self._take(asking, answer)
            except IndexUnavailable as error:
                self._end(asking, error)
        if moved:
            self._moved = True
            self._plan = self._plan_of(True)
        elif pause:
            time.sleep(pause)

    def _found(self, asking: _Asking) -> dict[str, object] | None:
        """The query; None where nothing can match."""
        plan = self._plan
        if not plan.collections or plan.nothing:
            return None
        subquery = asking.subquery
        words = meaning = None
        if not isinstance(subquery, Dense):
            analyzers = plan.version.meta.analyzers
            matching = query.lexical(analyzers, subquery.text, plan.languages, asking.clauses)
            words = None if matching is None else query.by_words(matching, plan.collections, plan.clauses)
        if not isinstance(subquery, Lexical):
            meaning = query.by_meaning(subquery.vector, self._near(asking), plan.collections, plan.clauses)
        if isinstance(subquery, Hybrid):
            return hybrid.by_both([found for found in (words, meaning) if found], self._k)
        return words or meaning

    def _near(self, asking: _Asking) -> int:
        """The same for a leg and for its part of a fusion, so that both find the same."""
        if asking.exactly:
            return query.WINDOW
        asked = asking.window if isinstance(asking.subquery, Dense) else self._k + _MARGIN
        return min(max(_LEAST_NEAR, _NEAR * asked), query.WINDOW)

    def _ask(self, asked: Sequence[tuple[_Asking, dict[str, object]]]) -> list[Answer]:
        def ask(client: "OpenSearch") -> object:
            seconds = left()
            header = {
                "index": self._plan.version.name,
                "allow_partial_search_results": True,
                "cancel_after_time_interval": query.milliseconds(seconds * query.CANCEL),
            }
            lines: list[object] = []
            for asking, found in asked:
                size = self._k if asking.exactly else asking.window
                body = query.body(found, size, seconds * query.SERVER, exactly=asking.exactly)
                if isinstance(asking.subquery, Hybrid):
                    body["search_pipeline"] = hybrid.pipeline(asking.subquery, found)
                lines += [header, body]
            return client.transport.perform_request(
                "POST",
                "/_msearch",
                body=b"".join(msgspec.json.encode(line) + b"\n" for line in lines),
                headers={"content-type": "application/x-ndjson"},
            )

        answered = self._cluster.patiently(lambda: self._cluster.call(ask), self._until)
        answers = read(answered, Answers).responses
        if len(answers) != len(asked):
            raise IndexUnavailable("The search cluster did not answer all that was asked.")
        return answers

    def _may_try(self, asking: _Asking) -> bool:
        asking.tries += 1
        return asking.tries <= TRIES and time.monotonic() + PAUSE_S * 2**asking.tries < self._until

    def _take(self, asking: _Asking, answer: Answer) -> None:
        """End this leg, or widen or shorten it for the next round."""
        if answer.too_long and asking.clauses > 16:
            asking.clauses //= 4
            return
        if error := failure(answer):
            raise error
        assert answer.shards is not None
        found = scored(answer, frozenset(self._plan.collections))
        if isinstance(asking.subquery, Hybrid):
            self._end(asking, _ranking(asking.subquery, found), lacking(answer.shards, answer.timed_out))
            return
        older = self._cluster.release < (3,) and isinstance(asking.subquery, Lexical)
        ranking = _ranking(asking.subquery, found, _LUCENE_2 if older else 1.0)
        if not asking.exactly and len(found) >= asking.window and _cut_in_a_tie(ranking, self._k):
            asking.window *= 4
            asking.exactly = asking.window > _WIDEST
            return
        self._end(asking, ranking.top(self._k), lacking(answer.shards, answer.timed_out))

    def _end(self, asking: _Asking, result: Ranking | IndexUnavailable, partial: str = "") -> None:
        elapsed = (time.monotonic() - self._began) * 1e3
        if isinstance(result, IndexUnavailable):
            asking.leg = Leg(None, result, 0.0, elapsed)
            return
        if not isinstance(asking.subquery, Dense) and self._plan.wordless:
            partial = " and ".join(filter(None, (partial, self._plan.wordless)))
        partial = " and ".join(filter(None, (partial, self._plan.partial)))
        asking.leg = Leg(result, None, 0.0, elapsed, partial)


def _ranking(subquery: Subquery, found: Iterable[tuple[Passage, float]], factor: float = 1.0) -> Ranking:
    """Rounded, so that equal passages tie: their sums may differ in the last bit."""
    if isinstance(subquery, Lexical):
        return Ranking.of("bm25", "bm25", ((p, round(score / factor, 4)) for p, score in found))
    if isinstance(subquery, Hybrid):
        return Ranking.of("fused", subquery.method, ((p, round(score, 8)) for p, score in found))
    return Ranking.of("knn", "cosine", ((p, round(2 * score - 1, 6)) for p, score in found))


def _cut_in_a_tie(ranking: Ranking, k: int) -> bool:
    return k > 0 and ranking.candidates[-1].score >= ranking.candidates[k - 1].score


def _refused(error: IndexUnavailable) -> bool:
    """Whether the cluster refused the request as a whole for what stands in it."""
    return isinstance(error, ClusterFailure) and error.status in (400, 413)
