"""The final order: voices that err in different ways, none of which may rule alone.

BM25, kNN cosine and MaxSim are standardised over all candidates and summed by weight: the order so far. A
reranker scores only the best of that order; among those it is blended in, and they stay above the rest,
which keep their order. Of a cascade, a candidate's finest score counts and replaces the coarser one: scores
of two stages are never compared, only where each stands among those of its own. docs/quality.md says what
each voice brings.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping

from rag.fuse import weighted_sum, zscore
from rag.spec import BlendSpec
from rag.types import Passage, Ranking, ScoreKind

CERTAIN = 1e-6
"""A probability nearer to 0 or 1 than this says no more than this does."""


def order_so_far(
    passages: Mapping[str, Passage], voices: Mapping[str, Mapping[str, float]], weights: BlendSpec
) -> Ranking:
    """Blend of the voices that cost nearly nothing, for all candidates."""
    by_voice = {"bm25": weights.bm25, "knn": weights.knn, "late": weights.late}
    combined = weighted_sum(voices, by_voice, list(passages))
    return Ranking.of("final", "blend", ((passages[pid], score) for pid, score in combined.items()))


def fusion_so_far(fused: Ranking) -> Ranking:
    """Where no late interaction is asked for, the spec's own fusion is the order so far, in z-scores."""
    passages = {p.id: p for p in fused.passages}
    return Ranking.of("final", "blend", ((passages[pid], z) for pid, z in zscore(fused.scores()).items()))


def standardised(scores: Mapping[str, float], kind: ScoreKind) -> dict[str, float]:
    """Scores of one reranker in standard deviations from their mean; see `ScoreKind`.

    A probability counts as its logit, so a model says the same with or without its sigmoid. Of an ordinal
    score only the place counts, equal ones sharing theirs. Every other kind is taken as it is.
    """
    match kind:
        case "probability":
            return zscore({pid: _logit(score) for pid, score in scores.items()})
        case "ordinal":
            return zscore(_places(scores))
        case _:
            return zscore(scores)


def blended(
    so_far: Mapping[str, float], scores: Mapping[str, float], kind: ScoreKind, weight: float
) -> dict[str, float]:
    """Of each scored candidate its score so far, plus `weight` times its standardised score.

    Where the order so far is sure of itself, distances are large and the reranker moves little.
    """
    return {pid: so_far[pid] + weight * z for pid, z in standardised(scores, kind).items()}


def with_reranker(
    order: Ranking,
    so_far: Mapping[str, float],
    scores: Mapping[str, float],
    kind: ScoreKind,
    weight: float,
) -> Ranking:
    """Put the candidates that a reranker scored above the others of the order, blended.

    `order` is the one before this stage, `so_far` the scores before any stage. What was not scored follows
    below, its distances unchanged.
    """
    mixed = blended(so_far, {p.id: scores[p.id] for p in order.passages if p.id in scores}, kind, weight)
    if not mixed:
        return order
    rest = {pid: score for pid, score in order.scores().items() if pid not in mixed}
    below = min(mixed.values()) - 1e-3 - max(rest.values(), default=0.0)
    final = mixed | {pid: score + below for pid, score in rest.items()}
    passages = {p.id: p for p in order.passages}
    return Ranking.of("final", "blend", ((passages[pid], score) for pid, score in final.items()))


def _logit(probability: float) -> float:
    p = min(max(probability, CERTAIN), 1 - CERTAIN)
    return math.log(p / (1 - p))


def _places(scores: Mapping[str, float]) -> dict[str, float]:
    """How many scores each one is above, and half of those that it equals, itself among them."""
    values = sorted(scores.values())
    return {
        pid: (bisect_left(values, score) + bisect_right(values, score)) / 2 for pid, score in scores.items()
    }
