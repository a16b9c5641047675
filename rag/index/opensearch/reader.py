"""The reader of an index in a cluster."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rag.codes import TokenCodes
from rag.deadline import within
from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index.base import Leg
from rag.index.opensearch import held
from rag.index.opensearch.census import Census, Kept, take
from rag.index.opensearch.cluster import Cluster, IndexGone
from rag.index.opensearch.layout import Meta
from rag.index.opensearch.narrowing import narrow
from rag.index.opensearch.plan import Plan
from rag.index.opensearch.search import Search
from rag.index.opensearch.spelled import spelled_alike
from rag.index.opensearch.versions import Version, fitting, versions
from rag.types import NO_FILTERS, Dense, Filters, Passage, Subquery

T = TypeVar("T")

_LOOKUP = 1 / 8
"""Share of `timeout_s` that looking up the version, and the census, may take where old ones can stand in."""
_SEARCH = 3 / 4
"""Share of a search. So a question that meets a hanging cluster waits for `timeout_s` in all."""
_CODES = 1 / 3
"""Share of token codes and of passages by id, which are asked for after the search: without them the
pipeline goes on."""


@dataclass(slots=True)
class _Known:
    """What this process knows of the cluster."""

    pid: int
    version: Kept[Version]
    census: tuple[str, Kept[Census]] | None = None


class OpenSearchReader:
    """An `IndexReader`. Share one among all threads of a process; after a fork it connects anew."""

    def __init__(self, cluster: Cluster, wanted: Meta) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self._total_s = cluster.address.timeout_s * _SEARCH
        self._share_s = cluster.address.timeout_s * _LOOKUP
        self._known = self._nothing_known()

    @property
    def version(self) -> str:
        return self._version().name

    def search(
        self,
        subqueries: Sequence[Subquery],
        k: int,
        collections: Sequence[str],
        filters: Filters = NO_FILTERS,
    ) -> tuple[Leg, ...]:
        began = time.monotonic()
        question = next((s.text for s in subqueries if not isinstance(s, Dense)), "")

        def plan(moved: bool) -> Plan:
            if moved:
                self._known = self._nothing_known()
            return self._wherever(
                lambda: self._narrowed(self._plan(began, collections), filters, question, began)
            )

        with within(began + self._total_s):
            return Search(self._cluster, plan, k, began + self._total_s).run(subqueries)

    def alike(self, word: str, k: int, collections: Sequence[str]) -> tuple[Passage, ...]:
        began = time.monotonic()
        until = began + self._share_s
        return self._wherever(
            lambda: spelled_alike(self._cluster, self._plan(began, collections), word, k, until)
        )

    def count(self, collections: Sequence[str]) -> int:
        return self._wherever(lambda: self._census(self._version()).get().passages(collections))

    def token_codes(self, passage_ids: Sequence[str]) -> tuple[TokenCodes | None, ...]:
        until = time.monotonic() + self._cluster.address.timeout_s * _CODES
        found = self._wherever(lambda: held.token_codes(self._cluster, self._version(), passage_ids, until))
        return tuple(found.get(pid) for pid in passage_ids)

    def passages(self, passage_ids: Sequence[str]) -> tuple[Passage | None, ...]:
        until = time.monotonic() + self._cluster.address.timeout_s * _CODES
        found = self._wherever(lambda: held.passages(self._cluster, self._version(), passage_ids, until))
        return tuple(found.get(pid) for pid in passage_ids)

    def documents(self) -> dict[tuple[str, int], int]:
        return self._wherever(lambda: held.documents(self._cluster, self._version()))

    def _wherever(self, ask: Callable[[], T]) -> T:
        """What `ask` gives: where the version that it knew was dropped meanwhile, of the one in its place."""
        try:
            return ask()
        except IndexGone:
            self._known = self._nothing_known()
            return ask()

    def _plan(self, began: float, collections: Sequence[str]) -> Plan:
        """Collections without passages are left out; one that the census does not know is counted anew."""
        asked = sorted(set(collections))
        version = self._version()
        if not asked:
            return Plan(version, (), ())
        kept = self._census(version)
        census, wordless = kept.get(), ""
        if any(name not in census.counts for name in asked):
            try:
                census = kept.get(since=began)
            except IndexUnavailable as error:
                wordless = f"it is not known what was added lately ({str(error).rstrip('.')})"
        everywhere = wordless or census.partial
        present = asked if everywhere else [name for name in asked if name in census.counts]
        return Plan(version, present, census.languages(present), wordless)

    def _narrowed(self, plan: Plan, filters: Filters, question: str, began: float) -> Plan:
        if filters == NO_FILTERS or not plan.collections:
            return plan
        return narrow(self._cluster, plan, filters, question, began + self._total_s)

    def _version(self) -> Version:
        try:
            return self._here().version.get()
        except IndexCorrupt as error:
            raise IndexUnavailable(str(error)) from error

    def _census(self, version: Version) -> Kept[Census]:
        """Of this version only: another one has its own."""
        known = self._here()
        if known.census is None or known.census[0] != version.name:

            def fetch(until: float) -> Census:
                return take(self._cluster, version.name, until)

            known.census = (version.name, Kept(fetch, total_s=self._total_s, share_s=self._share_s))
        return known.census[1]

    def _find(self) -> Version:
        """The version to search."""
        return fitting(versions(self._cluster), self._wanted)

    def _nothing_known(self) -> _Known:
        def fetch(until: float) -> Version:
            return self._cluster.patiently(self._find, until)

        return _Known(os.getpid(), Kept(fetch, total_s=self._total_s, share_s=self._share_s))

    def _here(self) -> _Known:
        """What is known; nothing in a process that was just forked, because locks may have been held."""
        if self._known.pid != os.getpid():
            self._known = self._nothing_known()
        return self._known
