"""Walks over all documents of one index that a query finds, in order of id, page by page."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from rag.errors import IndexUnavailable
from rag.index.opensearch.bulk import persist
from rag.index.opensearch.cluster import Cluster

PAGE = 5_000
_KEPT = "2m"


def hits(
    cluster: Cluster, index: str, query: dict[str, Any], fields: Sequence[str], *, page: int = PAGE
) -> Iterator[list[dict[str, Any]]]:
    """Pages of `{field: value}`, by doc values; nothing where the index is not there.

    What is written meanwhile may be seen or not, nothing else is left out. Raises `IndexUnavailable`
    where a shard did not answer.
    """
    body: dict[str, Any] = {
        "size": page,
        "query": query,
        "sort": [{"id": "asc"}],
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": list(fields),
        "track_total_hits": False,
    }
    while True:
        found = search(cluster, index, body)["hits"]["hits"]
        if found:
            yield [{name: values[0] for name, values in hit.get("fields", {}).items()} for hit in found]
        if len(found) < page:
            return
        body["search_after"] = found[-1]["sort"]


def frozen(cluster: Cluster, index: str, body: dict[str, Any], page: int) -> Iterator[dict[str, Any]]:
    """Hit by hit all that the body finds, in its order, as it was when the first one was asked for.

    What is written or taken out meanwhile is not seen.
    """
    opened = persist(
        cluster,
        lambda seconds: cluster.call(
            lambda client: client.create_pit(
                index=index, params={"keep_alive": _KEPT, "request_timeout": seconds}
            )
        ),
    )
    pit = readable(opened)["pit_id"]
    try:
        asked = body | {"size": page, "pit": {"id": pit, "keep_alive": _KEPT}}
        while True:
            found = search(cluster, "", asked)["hits"]["hits"]
            yield from found
            if len(found) < page:
                return
            asked["search_after"] = found[-1]["sort"]
    finally:
        with suppress(IndexUnavailable):  # it ends by itself
            cluster.call(lambda client: client.delete_pit(body={"pit_id": [pit]}))


def search(cluster: Cluster, index: str, body: dict[str, Any]) -> dict[str, Any]:
    """The whole answer of one or more indices; of one that is not there, an empty one. "": the body's own."""

    def ask(seconds: float) -> dict[str, Any]:
        params = {"request_timeout": seconds} | ({"ignore_unavailable": "true"} if index else {})
        return whole(
            cluster.call(lambda client: client.search(index=index or None, body=body, params=params))
        )

    return persist(cluster, ask)


def readable(answer: Any) -> dict[str, Any]:
    """The answer itself. Raises `IndexUnavailable` for what is none, as a proxy in between may send."""
    if isinstance(answer, dict) and isinstance(answer.get("_shards"), dict):
        return answer
    raise IndexUnavailable("The search cluster answered something that cannot be read.")


def whole(answer: Any) -> dict[str, Any]:
    """The answer itself. Raises `IndexUnavailable` where it is only a part of one."""
    found = readable(answer)
    shards = found["_shards"]
    if found.get("timed_out") or shards.get("successful") != shards.get("total") or shards.get("failed"):
        said = f"{shards.get('successful')} of {shards.get('total')} shards answered"
        raise IndexUnavailable(f"The search cluster gave a part of an answer: {said}.")
    return found


def refresh(cluster: Cluster, indices: Sequence[str]) -> None:
    """Make all that was written visible to every search from now on."""
    if not indices:
        return

    def ask(seconds: float) -> None:
        params = {"request_timeout": seconds, "ignore_unavailable": "true"}
        answer = cluster.call(lambda client: client.indices.refresh(index=",".join(indices), params=params))
        if readable(answer)["_shards"].get("failed"):
            raise IndexUnavailable("The search cluster could not refresh all shards.")

    persist(cluster, ask)
