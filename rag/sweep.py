"""How deep should one rerank here: nDCG@10 and milliseconds at several depths, on judged questions.

Each question is searched once; each candidate is scored once, slice by slice as the depths grow, and the
clock of a depth is the sum of its slices. Every depth goes through the pipeline itself, with no deadline.
"""

import dataclasses
import math
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from rag.errors import RerankUnavailable
from rag.evaluate import COLLECTION, Judged, runs
from rag.measures import ndcg
from rag.pipeline import Pipeline, Replay
from rag.rerank.base import Reranker
from rag.types import Passage, Query, Scores


@dataclass(frozen=True, slots=True)
class Point:
    """Means over the questions at one depth; depth 0 is the order without reranking."""

    depth: int
    scored: float
    """Candidates that there were to score."""
    ndcg: float
    ms: float
    """Of a whole search: retrieval, late interaction, reranking, blend."""
    p95_ms: float
    behind: float
    """How far below the best depth in nDCG@10."""
    noise: float
    """Standard error of that difference, over the questions: what is less may be chance."""


@dataclass(frozen=True, slots=True)
class Sweep:
    pipeline: str
    questions: int
    points: tuple[Point, ...]
    knee: int
    """The shallowest depth that cannot be told from the best."""


class Remembering:
    """A reranker that scores a passage once for the question at hand, and adds up the time that it took."""

    def __init__(self, reranker: Reranker) -> None:
        self.fingerprint = reranker.fingerprint
        self._reranker = reranker
        self._given: dict[str, float | None] = {}
        self.ms = 0.0

    def forget(self) -> None:
        self._given, self.ms = {}, 0.0

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        """As the reranker does. Places counted down hold for one call: then all passages are scored anew."""
        new = [p for p in passages if p.id not in self._given]
        began = time.monotonic()
        scores = self._reranker.score(query, new, deadline=deadline)
        if scores.kind == "ordinal" and len(new) < len(passages):
            self.forget()
            new, began = list(passages), time.monotonic()
            scores = self._reranker.score(query, new, deadline=deadline)
        if len(scores.values) != len(new):
            raise RerankUnavailable("Its model gave scores that cannot be used.")
        self.ms += (time.monotonic() - began) * 1000
        self._given |= zip((p.id for p in new), scores.values, strict=True)
        return dataclasses.replace(scores, values=tuple(self._given[p.id] for p in passages))


def sweep(
    pipeline: Pipeline,
    depths: Sequence[int],
    questions: Iterable[tuple[str, str]],
    judged: Judged,
    documents: Mapping[str, str],
) -> Sweep:
    """Ask each question at each depth, and once without reranking.

    Of a cascade the last stage is swept alone. The pipeline must have a reranker, and one without a score
    cache; `documents` is document id in the index → id in the qrels.
    """
    rerank = pipeline.spec.rerank
    assert rerank is not None and pipeline.reranker is not None
    remembering = Remembering(pipeline.reranker)
    alone = dataclasses.replace(pipeline, before=(), reranker=remembering, generator=None)
    plain = msgspec.structs.replace(pipeline.spec, generate=None, rerank=None)
    last = msgspec.structs.replace(rerank, before=(), min_candidates=0, stop_gap=0.0)
    specs = {
        depth: msgspec.structs.replace(plain, rerank=msgspec.structs.replace(last, depth=depth))
        for depth in sorted({depth for depth in depths if depth > 0})
    }
    found: dict[int, list[tuple[float, float, int]]] = {depth: [] for depth in (0, *specs)}
    for qid, text in questions:
        remembering.forget()
        query = Query(id=qid, text=text, collections=(COLLECTION,))
        trace = first = dataclasses.replace(alone, spec=plain).answer(query)
        for depth in found:
            if depth:
                trace = dataclasses.replace(alone, spec=specs[depth]).answer(
                    query, replay=Replay(first, True)
                )
            quality = ndcg(runs(trace, documents)["final"], judged.qrels[qid])
            found[depth].append((quality, first.total_ms + remembering.ms, trace.rerank.scored))
    return _summed_up(pipeline.name, found)


def _summed_up(pipeline: str, found: Mapping[int, Sequence[tuple[float, float, int]]]) -> Sweep:
    means = {depth: statistics.fmean(row[0] for row in rows) for depth, rows in found.items()}
    best = max(means, key=lambda depth: means[depth])
    points = []
    for depth, rows in found.items():
        lost = [ahead[0] - row[0] for ahead, row in zip(found[best], rows, strict=True)]
        noise = statistics.stdev(lost) / math.sqrt(len(lost)) if len(lost) > 1 else 0.0
        ms = sorted(row[1] for row in rows)
        points.append(
            Point(
                depth=depth,
                scored=statistics.fmean(row[2] for row in rows),
                ndcg=means[depth],
                ms=statistics.fmean(ms),
                p95_ms=ms[math.ceil(0.95 * len(ms)) - 1],
                behind=statistics.fmean(lost),
                noise=noise,
            )
        )
    knee = next(point.depth for point in points if point.behind <= point.noise)
    return Sweep(pipeline, len(found[0]), tuple(points), knee)
