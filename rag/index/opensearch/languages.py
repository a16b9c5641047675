"""Which language the passages of a collection are in, as the index holds it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rag.index.analyzers import LANGUAGES
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.walk import search

_AT_ONCE = 1000


def others(cluster: Cluster, indices: Sequence[str], languages: Mapping[str, str]) -> set[str]:
    """Those of these collections that hold passages in another language than this."""
    named: dict[str, list[str]] = {}
    for name, language in languages.items():
        named.setdefault(language, []).append(name)
    wrong = set()
    for language, names in named.items():
        rest = [
            other for other in LANGUAGES if other != language
        ]  # found by terms: no walk over the right ones
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            query = {"bool": {"filter": [_any("collection", some), _any("language", rest)]}}
            found = _buckets(cluster, indices, query, {"terms": {"field": "collection", "size": _AT_ONCE}})
            wrong |= {bucket["key"] for bucket in found}
    return wrong


def held(cluster: Cluster, indices: Sequence[str], collections: Collection[str]) -> dict[str, str]:
    """Collection to language, for those of these that hold anything."""
    names, found = sorted(collections), {}
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        most = {"terms": {"field": "language", "size": 1}}
        by_collection = {"terms": {"field": "collection", "size": _AT_ONCE}, "aggs": {"found": most}}
        for bucket in _buckets(cluster, indices, _any("collection", some), by_collection):
            if bucket["found"]["buckets"]:
                found[bucket["key"]] = bucket["found"]["buckets"][0]["key"]
    return found


def _any(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {"terms": {name: list(values)}}


def _buckets(
    cluster: Cluster, indices: Sequence[str], query: dict[str, Any], by: dict[str, Any]
) -> list[dict[str, Any]]:
    body = {"size": 0, "query": query, "aggs": {"found": by}, "track_total_hits": False}
    answer = search(cluster, ",".join(indices), body)
    buckets: list[dict[str, Any]] = answer.get("aggregations", {}).get("found", {}).get("buckets", [])
    return buckets
