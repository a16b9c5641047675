"""What a reader knows of the cluster, for a second at most: the version it searches, and what is in there."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct, field

from rag.errors import IndexUnavailable
from rag.index.opensearch.answers import Shards, lacking, read
from rag.index.opensearch.cluster import Cluster

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

T = TypeVar("T")

FRESH_S = 1.0
STALE_S = 60.0
"""What could not be looked up again holds for so long: an index is gone or is as it was."""
_COLLECTIONS = 10_000
_MOST_COLLECTIONS = 60_000
"""The cluster gives at most 65,535 groups."""


@dataclass(frozen=True, slots=True)
class Census:
    """Live passages of each collection by language. A collection has one, unless it was changed empty."""

    counts: Mapping[str, Mapping[str, int]]
    partial: str = ""
    """A clause that says why it may be too small."""

    def languages(self, collections: Iterable[str]) -> list[str]:
        """Languages of what is in these collections, in order of name."""
        return sorted({language for name in collections for language in self.counts.get(name, ())})

    def passages(self, collections: Iterable[str]) -> int:
        return sum(sum(self.counts.get(name, {}).values()) for name in set(collections))


class _Language(Struct):
    key: str
    doc_count: int


class _Languages(Struct):
    buckets: list[_Language]


class _Collection(Struct):
    key: str
    languages: _Languages


class _Collections(Struct):
    buckets: list[_Collection]
    sum_other_doc_count: int = 0


class _Aggregations(Struct):
    collections: _Collections


class _Counted(Struct):
    aggregations: _Aggregations
    shards: Shards = field(name="_shards")
    timed_out: bool = False


def take(cluster: Cluster, index: str, until: float) -> Census:
    """Count what is in the index. It asks for no hits, so the cluster answers from its cache if it can."""
    groups = _COLLECTIONS

    def ask(client: "OpenSearch") -> object:
        languages = {"terms": {"field": "language", "size": 100}}
        terms = {"field": "collection", "size": groups}
        aggregations = {"collections": {"terms": terms, "aggs": {"languages": languages}}}
        return client.search(
            index=index, body={"size": 0, "aggs": aggregations}, params={"request_cache": "true"}
        )

    while True:
        counted = read(cluster.patiently(lambda: cluster.call(ask), until), _Counted)
        if counted.shards.total and not counted.shards.successful:
            raise IndexUnavailable("None of the search cluster's shards answered.")
        found = counted.aggregations.collections
        if not found.sum_other_doc_count or groups >= _MOST_COLLECTIONS:
            counts = {
                of.key: {part.key: part.doc_count for part in of.languages.buckets} for of in found.buckets
            }
            return Census(counts, lacking(counted.shards, counted.timed_out))
        groups = _MOST_COLLECTIONS


class Kept(Generic[T]):
    """One value that is looked up at most once a second, by one thread for all."""

    def __init__(self, fetch: Callable[[float], T], *, total_s: float, share_s: float) -> None:
        """`fetch` gets the time at which it must have ended. It may take `total_s` where nothing is known,
        `share_s` where an old value can stand in."""
        self._fetch = fetch
        self._total_s, self._share_s = total_s, share_s
        self._lock = threading.Lock()
        self._held: tuple[T, float, float] | None = None
        """Value, when its fetch began, until when it needs no other."""

    def get(self, *, since: float = -1e18) -> T:
        """The value, no older than `FRESH_S`; with `since` one that was looked up after that time.

        Where it cannot be had: the one before, for `STALE_S`, unless `since` forbids it; else raises what
        the fetch raised.
        """
        now = time.monotonic()
        if (held := self._held) and now < held[2] and held[1] >= since:
            return held[0]
        until = now + (self._share_s if held else self._total_s)
        if not self._lock.acquire(timeout=until - now):
            return self._old(since, IndexUnavailable("The search cluster did not answer in time."))
        try:
            if (held := self._held) and (now < held[2] and held[1] >= since or held[1] > now):
                return held[0]
            began = time.monotonic()
            try:
                value = self._fetch(until)
            except IndexUnavailable as error:
                return self._old(since, error)
            self._held = (value, began, began + FRESH_S)
            return value
        finally:
            self._lock.release()

    def _old(self, since: float, error: IndexUnavailable) -> T:
        held, now = self._held, time.monotonic()
        if held is None or held[1] < max(since, now - STALE_S):
            raise error
        self._held = (held[0], held[1], now + FRESH_S)  # nobody else waits for this second either
        return held[0]
