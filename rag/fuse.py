"""Fusion of rankings into one: pure functions over scores.

Reciprocal rank fusion reads ranks only (Cormack, Clarke and Büttcher 2009). The weighted forms read
scores, each ranking standardised over the union of all candidates; a candidate that a ranking did not
find takes that ranking's lowest score (Bruch, Gai and Ingber 2023 study such combinations).
"""

from collections.abc import Callable, Mapping, Sequence

from rag.types import Passage, Ranking

Standardise = Callable[[Mapping[str, float]], dict[str, float]]

RRF_K = 60
"""The constant of the paper; ranks count from 1."""


def zscore(scores: Mapping[str, float]) -> dict[str, float]:
    """Distance from the mean in standard deviations; 0 for all when they are equal."""
    if not scores:
        return {}
    mean = sum(scores.values()) / len(scores)
    deviation = (sum((s - mean) ** 2 for s in scores.values()) / len(scores)) ** 0.5
    return {pid: (s - mean) / deviation if deviation > 1e-9 else 0.0 for pid, s in scores.items()}


def minmax(scores: Mapping[str, float]) -> dict[str, float]:
    """Lowest 0, highest 1; 0 for all when they are equal."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    return {pid: (s - low) / (high - low) if high > low else 0.0 for pid, s in scores.items()}


def completed(scores: Mapping[str, float], candidates: Sequence[str]) -> dict[str, float]:
    """The scores of all `candidates`; one that is missing takes the lowest there is, 0 when there is none."""
    lowest = min(scores.values(), default=0.0)
    return {pid: scores.get(pid, lowest) for pid in candidates}


def weighted_sum(
    voices: Mapping[str, Mapping[str, float]],
    weights: Mapping[str, float],
    candidates: Sequence[str],
    standardise: Standardise = zscore,
) -> dict[str, float]:
    """For each candidate the weighted mean of its standardised scores over the voices that spoke.

    `voices` is name → candidate → raw score. A voice without any score, or without weight, is left
    out and the weights of the others are scaled to sum to 1.
    """
    speaking = {name: weights.get(name, 0.0) for name, of in voices.items() if of and weights.get(name)}
    total = sum(speaking.values())
    combined = dict.fromkeys(candidates, 0.0)
    for name, weight in speaking.items():
        for pid, value in standardise(completed(voices[name], candidates)).items():
            combined[pid] += weight / total * value
    return combined


def union(rankings: Sequence[Ranking]) -> dict[str, Passage]:
    """Every passage of the rankings by id, in order of first appearance."""
    return {p.id: p for ranking in rankings for p in ranking.passages}


def rrf(rankings: Sequence[Ranking], k: int = RRF_K) -> Ranking:
    """Sum over the rankings of 1 / (k + rank), rank from 1; nothing for a ranking without the passage."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for pid, rank in ranking.ranks().items():
            scores[pid] = scores.get(pid, 0.0) + 1.0 / (k + rank)
    passages = union(rankings)
    return Ranking.of("fused", "rrf", ((passages[pid], score) for pid, score in scores.items()))


def fuse(rankings: Sequence[Ranking], method: str, weights: Mapping[str, float]) -> Ranking:
    """Fuse by `rrf`, `minmax` or `zscore`; `weights` is stage → weight and is not read by `rrf`."""
    if method == "rrf":
        return rrf(rankings)
    passages = union(rankings)
    voices = {str(ranking.stage): ranking.scores() for ranking in rankings}
    match method:
        case "zscore":
            combined = weighted_sum(voices, weights, list(passages), zscore)
            return Ranking.of("fused", "zscore", ((passages[pid], s) for pid, s in combined.items()))
        case "minmax":
            combined = weighted_sum(voices, weights, list(passages), minmax)
            return Ranking.of("fused", "minmax", ((passages[pid], s) for pid, s in combined.items()))
        case _:
            raise ValueError(f"no fusion method {method!r}; there are rrf, minmax and zscore")
