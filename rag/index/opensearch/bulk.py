"""Many writes in one request, sent until each has an end of its own: done, or why not.

A bulk request that was answered with 200 may have failed in part, and one that timed out may have been
carried out. So every item is looked at by itself, and what may succeed later is sent again: it can be,
because items carry external versions and a second time changes nothing. opensearch-py's helpers retry
neither a 429 of the whole request nor timeouts, and know nothing of versions.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from msgspec import json

from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index.opensearch import layout
from rag.index.opensearch.cluster import Cluster, ClusterFailure

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

T = TypeVar("T")
End = Literal["created", "done", "conflict", "refused", "gone"]
"""`created` was not there before; `conflict`: a higher version was; `gone`: the index is not there."""

CHUNK_BYTES = 5_000_000
CHUNK_ITEMS = 2_000
_LEAST_BYTES = 50_000
_AGAIN = {429, 500, 502, 503, 504}
_HOPELESS = 5
"""An item that failed the cluster itself so often, while others went through, is at fault."""
_ANSWER = "errors,items.*._index,items.*._id,items.*.status,items.*.error.type"


@dataclass(frozen=True, slots=True)
class Item:
    """One write of one passage. In one call an index and id stand only once: retries keep no order."""

    index: str
    id: str
    lines: bytes
    """What `writing` or `removing` made."""
    removes: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    item: Item
    end: End
    kind: str = ""
    """Type of the error where the item was refused."""


def writing(index: str, passage_id: str, source: bytes) -> Item:
    """Write a passage, unless it was taken out before."""
    action = _action(index, passage_id, layout.WRITTEN) | {"require_alias": True}
    return Item(index, passage_id, json.encode({"index": action}) + b"\n" + source + b"\n")


def removing(index: str, passage_id: str, version: int) -> Item:
    """Take a passage out: for good as `layout.REMOVED`, so that it can be written again as `WRITTEN`."""
    action = _action(index, passage_id, version)
    return Item(index, passage_id, json.encode({"delete": action}) + b"\n", removes=True)


def _action(index: str, passage_id: str, version: int) -> dict[str, Any]:
    return {
        "_index": layout.own_alias(index),
        "_id": passage_id,
        "version": version,
        "version_type": "external_gte",
    }


def persist(cluster: Cluster, ask: Callable[[float], T]) -> T:
    """What `ask(seconds)` gives, asked again while the cluster is only busy or away for a moment.

    Only for what may be done twice. Raises `IndexUnavailable` after `bulk_timeout_s`, or at once for what
    waiting does not mend.
    """
    patience = Patience(cluster.address.bulk_timeout_s)
    while True:
        try:
            return ask(patience.request_s)
        except IndexUnavailable as error:
            if not _passing(error):
                raise
            patience.wait(error)


def send(cluster: Cluster, items: Iterable[Item]) -> list[Outcome]:
    """Send all, in chunks, in order; one outcome an item, in no order.

    Raises `IndexUnavailable` when nothing has gone through for `bulk_timeout_s`, `IndexCorrupt` when an
    index has other fields than ours.
    """
    return _Sending(cluster, deque(items)).run()


class Patience:
    """How long to wait, and until when; progress begins it anew."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.progress()

    def progress(self) -> None:
        self._until = time.monotonic() + self._limit_s
        self._pause_s = 0.1

    @property
    def request_s(self) -> float:
        """Time for one request: at least one more must fit in behind one that hangs."""
        return max(1.0, min(self._limit_s / 2, self._until - time.monotonic()))

    def wait(self, error: IndexUnavailable) -> None:
        """Exponential, with jitter, so that those who were turned away do not all come back at once.

        Raises the error where there is no time left.
        """
        pause = self._pause_s * random.uniform(0.5, 1.0)
        if time.monotonic() + pause >= self._until:
            raise error
        time.sleep(pause)
        self._pause_s = min(5.0, 2 * self._pause_s)


class _Sending:
    def __init__(self, cluster: Cluster, waiting: deque[Item]) -> None:
        self._cluster = cluster
        self._waiting = waiting
        self._patience = Patience(cluster.address.bulk_timeout_s)
        self._bytes = CHUNK_BYTES
        self._failures: dict[tuple[str, str], int] = {}
        self._outcomes: list[Outcome] = []

    def run(self) -> list[Outcome]:
        while self._waiting:
            chunk = self._take()
            try:
                answer = self._cluster.call(lambda client, chunk=chunk: self._post(client, chunk))  # type: ignore[misc]
            except IndexUnavailable as error:
                self._back(chunk)
                self._turned_away(chunk, error)
                continue
            again = self._sort(chunk, answer)
            self._back(again)
            if len(again) < len(chunk):
                self._patience.progress()
            if again:
                self._smaller()
                self._patience.wait(IndexUnavailable("The search cluster does not take these writes."))
            else:
                self._bytes = min(CHUNK_BYTES, 2 * self._bytes)
        return self._outcomes

    def _take(self) -> list[Item]:
        chunk, size = [self._waiting.popleft()], 0
        size += len(chunk[0].lines)
        while self._waiting and len(chunk) < CHUNK_ITEMS:
            size += len(self._waiting[0].lines)
            if size > self._bytes:
                break
            chunk.append(self._waiting.popleft())
        return chunk

    def _back(self, items: Sequence[Item]) -> None:
        self._waiting.extendleft(reversed(items))

    def _smaller(self) -> None:
        self._bytes = max(_LEAST_BYTES, self._bytes // 2)

    def _post(self, client: "OpenSearch", chunk: Sequence[Item]) -> Any:
        body = guards(chunk) + b"".join(item.lines for item in chunk)
        seconds = self._patience.request_s
        params = {"filter_path": _ANSWER, "timeout": f"{seconds:.0f}s", "request_timeout": seconds}
        return client.bulk(body=body, params=params)

    def _turned_away(self, chunk: Sequence[Item], error: IndexUnavailable) -> None:
        """The whole request failed."""
        if isinstance(error, ClusterFailure) and error.status in (400, 413):
            if len(chunk) > 1:
                self._bytes = max(1, sum(len(item.lines) for item in chunk) // 2)
            else:  # too large, or unreadable, by itself
                self._waiting.popleft()
                self._outcomes.append(Outcome(chunk[0], "refused", f"status {error.status}"))
                self._bytes = CHUNK_BYTES
        elif _passing(error):
            self._smaller()
            self._patience.wait(error)
        else:
            raise error

    def _sort(self, chunk: Sequence[Item], answer: Any) -> list[Item]:
        """Note each outcome; returns what has to be sent again, also because nothing was said about it."""
        said = _by_id(answer)
        again = []
        for item in chunk:
            outcome = self._outcome(item, said.get((item.index, item.id)))
            if outcome is None:
                again.append(item)
            else:
                self._outcomes.append(outcome)
        return again

    def _outcome(self, item: Item, said: dict[str, Any] | None) -> Outcome | None:
        if said is None:
            return None
        status, kind = said.get("status"), (said.get("error") or {}).get("type", "")
        if status in (200, 201):
            return Outcome(item, "created" if status == 201 and not item.removes else "done")
        if kind == "index_not_found_exception":
            return Outcome(item, "gone")
        if status == 404 and item.removes:
            return Outcome(item, "done")
        if status == 409:  # twice, because what took the place may itself just be going
            return Outcome(item, "conflict") if self._count(item) > 2 else None
        if kind == "strict_dynamic_mapping_exception":
            raise IndexCorrupt(f"The index {item.index} has other fields than ours. Run: manage.py reindex")
        if status in (400, 413):
            return Outcome(item, "refused", kind)
        if status == 500 and self._count(item) >= _HOPELESS and self._outcomes:
            return Outcome(item, "refused", kind)
        if status in _AGAIN:
            return None
        raise IndexUnavailable(f"The search cluster does not take writes ({status}, {kind or 'no reason'}).")

    def _count(self, item: Item) -> int:
        """How often this item has failed."""
        key = item.index, item.id
        self._failures[key] = self._failures.get(key, 0) + 1
        return self._failures[key]


def guards(chunk: Sequence[Item]) -> bytes:
    """Lines that keep removals from making an index that is not there: they cannot require an alias.

    An update of nothing can, and what it requires holds for all lines of that index.
    """
    indices = sorted({item.index for item in chunk if item.removes})
    return b"".join(
        json.encode({"update": {"_index": layout.own_alias(index), "_id": "-", "require_alias": True}})
        + b'\n{"doc":{}}\n'
        for index in indices
    )


def _by_id(answer: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """What is said of each index and id, in whatever order; what cannot be read is as if not said."""
    found = {}
    items = answer.get("items") if isinstance(answer, dict) else None
    for entry in items if isinstance(items, list) else ():
        if isinstance(entry, dict):
            for said in entry.values():
                if isinstance(said, dict) and isinstance(said.get("_index"), str):
                    found[layout.without_alias(said["_index"]), str(said.get("_id"))] = said
    return found


def _passing(error: IndexUnavailable) -> bool:
    """Whether the same request may succeed a little later: also where it was answered, but not wholly."""
    if not isinstance(error, ClusterFailure):
        return error.__cause__ is None
    return error.passing or error.status == 500 or error.unreadable
