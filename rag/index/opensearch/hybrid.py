"""Fusion inside the cluster: the `hybrid` query, with the search pipeline that it needs in its own body.

`rag.fuse` is the measure. `rrf` gives its ranking, on one shard, but for ties inside a leg, which the
cluster breaks in its own order. `minmax` too, but that a passage which a leg ranks last counts .001 there
and not 0. `zscore` does not: the cluster standardises over what a leg found instead of over the union, and
takes all that is below the mean for the same .001. `docs/decisions/0015` has the numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rag.index.opensearch.cluster import Able
from rag.types import FusionMethod, Hybrid

_SINCE: Mapping[FusionMethod, tuple[int, int]] = {"rrf": (2, 19), "minmax": (2, 19), "zscore": (3, 0)}
"""First versions of the cluster; 2.19 is the first that takes `pagination_depth`."""
_NORMALIZATION = {"minmax": "min_max", "zscore": "z_score"}


def objection(able: Able, method: FusionMethod, bm25: float, knn: float) -> str:
    """Why this cluster cannot fuse so, in a sentence; nothing when it can."""
    if method != "rrf" and not bm25 + knn:
        return "Neither leg has a weight."
    if able.version[:2] < _SINCE[method]:
        has, needs = (".".join(map(str, version)) for version in (able.version, _SINCE[method]))
        return f"The search cluster has version {has}; to fuse by {method} it needs {needs}."
    if "hybrid" not in able.abilities:
        return "The search cluster cannot fuse: it lacks the plugin opensearch-neural-search."
    return ""


def by_both(legs: Sequence[Mapping[str, Any]], depth: int) -> dict[str, Any]:
    """The best `depth` of each leg, fused: words, where there are any, and meaning. Each has the filter of
    access inside."""
    return {"hybrid": {"queries": list(legs), "pagination_depth": depth}}


def pipeline(subquery: Hybrid, found: Mapping[str, Any]) -> dict[str, Any]:
    """The search pipeline that makes the scores of this subquery. Without one they are marks, far below 0."""
    if subquery.method == "rrf":  # its constant is 60 unless told otherwise, at a place that moved with 3.1
        return _processor("score-ranker-processor", {"combination": {"technique": "rrf"}})
    total = subquery.bm25 + subquery.knn
    both = len(found["hybrid"]["queries"]) == 2
    weights = [subquery.bm25 / total, subquery.knn / total] if both else [1.0]
    combination = {"technique": "arithmetic_mean", "parameters": {"weights": weights}}
    technique = {"technique": _NORMALIZATION[subquery.method]}
    return _processor("normalization-processor", {"normalization": technique, "combination": combination})


def _processor(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"phase_results_processors": [{name: settings}]}
