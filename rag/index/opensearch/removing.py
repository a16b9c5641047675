"""Taking document versions out of an index of the cluster."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rag.errors import IndexUnavailable
from rag.index.opensearch import layout
from rag.index.opensearch.bulk import Item, removing, send
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.versions import Version
from rag.index.opensearch.walk import hits, refresh

_AT_ONCE = 1000
_RANGES_AT_ONCE = 150
"""A query may have 1,024 clauses, and each of these has five: numbers are looked for in two ways."""


def remove(
    cluster: Cluster, targets: Sequence[Version], entries: Iterable[tuple[str, int | None]]
) -> set[str]:
    """Take (document id, version) out for good, all versions where it is None; no search finds them after.

    Returns those of the indices that were not there.
    """
    whole: set[str] = set()
    single: dict[str, set[int]] = {}
    for document_id, version in entries:
        if version is None:
            whole.add(document_id)
        else:
            single.setdefault(document_id, set()).add(version)
    names = [target.name for target in targets]
    refresh(cluster, names)  # what a writer that died wrote is seen here, too
    gone: set[str] = set()
    for name in names:
        for some in _batches(sorted(whole), _AT_ONCE):
            gone |= _remove(cluster, name, {"terms": {"document_id": some}}, dict.fromkeys(some))
        for some in _batches(sorted(single), _AT_ONCE):
            wanted = {document_id: single[document_id] for document_id in some}
            versions = sorted(set[int]().union(*wanted.values()))
            both = [{"terms": {"document_id": some}}, {"terms": {"version": versions}}]
            gone |= _remove(cluster, name, {"bool": {"filter": both}}, wanted)
    refresh(cluster, names)
    return gone


def _remove(
    cluster: Cluster, index: str, query: dict[str, Any], wanted: Mapping[str, set[int] | None]
) -> set[str]:
    gone: set[str] = set()
    for page in hits(cluster, index, query, ("id", "document_id", "version")):
        items = []
        for hit in page:
            versions = wanted.get(hit["document_id"])
            if versions is None or hit["version"] in versions:
                items.append(removing(index, hit["id"], layout.REMOVED))
        gone |= carry_out(cluster, items)
    return gone


def remove_beyond(cluster: Cluster, index: str, lengths: Mapping[tuple[str, int], int]) -> bool:
    """Take out the passages of these versions at or after the position given; True where there were some.

    They may be written again. What was written before must have been refreshed.
    """
    found = False
    for some in _batches(sorted(lengths), _RANGES_AT_ONCE):
        beyond = [
            {
                "bool": {
                    "filter": [
                        {"term": {"document_id": document_id}},
                        {"term": {"version": version}},
                        {"range": {"position": {"gte": lengths[document_id, version]}}},
                    ]
                }
            }
            for document_id, version in some
        ]
        for page in hits(cluster, index, {"bool": {"should": beyond}}, ("id",)):
            carry_out(cluster, [removing(index, hit["id"], layout.WRITTEN) for hit in page])
            found = True
    return found


def carry_out(cluster: Cluster, items: Sequence[Item]) -> set[str]:
    """Send removals. That a passage is no longer there is as good. Returns the indices that are not there."""
    gone = set()
    for outcome in send(cluster, items):
        if outcome.end == "refused":
            raise IndexUnavailable(f"The search cluster refused a deletion ({outcome.kind}).")
        if outcome.end == "gone":
            gone.add(outcome.item.index)
    return gone


def _batches(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
