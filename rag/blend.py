"""The final order: four voices that err in different ways, none of which may rule alone.

BM25, kNN cosine and MaxSim are standardised over all candidates and summed by weight: the order so
far. The cross-encoder scores only the best of that order; among those it is blended in, and they stay
above the rest, which keep their order. docs/quality.md says what each voice brings.
"""

from collections.abc import Mapping

from rag.fuse import weighted_sum, zscore
from rag.spec import BlendSpec
from rag.types import Passage, Ranking


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


def with_cross_encoder(so_far: Ranking, logits: Mapping[str, float], weight: float) -> Ranking:
    """Blend the cross-encoder in among the candidates that it scored.

    To each one's score so far is added `weight` times the z-score of its logit over the scored ones: where
    the order so far is sure of itself, the cross-encoder moves little. What was not scored follows below,
    its distances unchanged.
    """
    before = so_far.scores()
    scored = [pid for pid in before if pid in logits]
    if not scored:
        return so_far
    standing = zscore({pid: logits[pid] for pid in scored})
    mixed = {pid: before[pid] + weight * standing[pid] for pid in scored}
    rest = {pid: score for pid, score in before.items() if pid not in mixed}
    below = min(mixed.values()) - 1e-3 - max(rest.values(), default=0.0)
    final = mixed | {pid: score + below for pid, score in rest.items()}
    passages = {p.id: p for p in so_far.passages}
    return Ranking.of("final", "blend", ((passages[pid], score) for pid, score in final.items()))
