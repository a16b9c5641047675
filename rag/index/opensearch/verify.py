"""Holds one version of an index in the cluster against itself. Reads everything, mends nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rag.codes import TokenCodes
from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index.analyzers import LANGUAGES
from rag.index.base import IndexReport
from rag.index.opensearch import layout
from rag.index.opensearch.analysis import field_of, passage_text, prepared_by_client
from rag.index.opensearch.answers import Source, read
from rag.index.opensearch.bulk import persist
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.layout import Meta
from rag.index.opensearch.versions import Version, fitting, versions
from rag.index.opensearch.walk import frozen, hits, refresh, search
from rag.types import Passage, passage_id

_SHOWN = 5
_PAGE = 500
"""Passages at a time: their texts and codes are about 20 kB each."""


def verify(cluster: Cluster, wanted: Meta) -> IndexReport:
    """The version that is searched with this encoder. Safe beside readers and writers."""
    try:
        found = persist(cluster, lambda _: versions(cluster))
        version = fitting(found, wanted)
    except (IndexCorrupt, IndexUnavailable) as error:
        return IndexReport(0, 0, (str(error),))
    report = verify_version(cluster, version)
    return IndexReport(
        report.passages,
        report.documents,
        (*_roles(found), *report.problems),
        (*report.notes, *_left_over(found)),
    )


def verify_version(cluster: Cluster, version: Version) -> IndexReport:
    """Every passage of one version: its place, its text and codes, its words and its vector."""
    try:
        refresh(cluster, [version.name])
        seen = _Seen(version.meta)
        for hit in frozen(cluster, version.name, _BODY, _PAGE):
            seen.add(hit)
        problems = [*seen.problems(), *_fields(cluster, version), *_languages(cluster, version)]
        return IndexReport(seen.passages, seen.documents, tuple(problems), tuple(_copies(cluster, version)))
    except IndexUnavailable as error:
        return IndexReport(0, 0, (f"The index {version.name} cannot be read wholly. {error}",))


_BODY: dict[str, Any] = {
    "query": {"match_all": {}},
    "sort": [{"document_id": "asc"}, {"version": "asc"}, {"position": "asc"}],
    "_source": True,
    "docvalue_fields": [layout.CODES],
    "track_total_hits": False,
}


@dataclass(slots=True)
class _Seen:
    """Passages in order of document, version and position: nothing is kept but what is wrong."""

    meta: Meta
    passages: int = 0
    documents: int = 0
    wrong: dict[str, "_Names"] = field(default_factory=dict)
    _last: tuple[str, int] | None = None
    _next: int = 0

    def add(self, hit: dict[str, Any]) -> None:
        self.passages += 1
        try:
            passage = read(hit["_source"], Source).passage()
        except (KeyError, IndexUnavailable):
            return self._note("documents are no passages of ours", str(hit.get("_id")))
        key = passage.document_id, passage.version
        if key != self._last:
            self._last, self._next = key, 0
            self.documents += 1
        if passage.position != self._next:
            self._note("document versions lack some of their passages", f"{key[0]}:{key[1]}")
        self._next = passage.position + 1
        if hit["_id"] != passage.id or passage.id != passage_id(*key, passage.position):
            self._note("passages have another id than their place", str(hit["_id"]))
        if not self._whole(hit, passage):
            self._note("passages have damaged token codes or damaged text", passage.id)

    def _whole(self, hit: dict[str, Any], passage: Passage) -> bool:
        try:
            codes = layout.codes(hit["fields"][layout.CODES][0])
            TokenCodes.from_bytes(codes, self.meta.dimension)
        except (KeyError, TypeError, ValueError):
            return False
        return bool(hit["_source"].get("checksum") == layout.checksum(passage.text, codes))

    def _note(self, what: str, name: str) -> None:
        self.wrong.setdefault(what, _Names()).add(name)

    def problems(self) -> Iterator[str]:
        for what, names in self.wrong.items():
            yield names.sentence(what)


@dataclass(slots=True)
class _Names:
    """How many there are, and the first few."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        if self.shown[-1:] != [name]:
            self.count += 1
            if len(self.shown) < _SHOWN:
                self.shown.append(name)

    def sentence(self, what: str) -> str:
        more = ", ..." if self.count > len(self.shown) else ""
        return f"{self.count} {what} ({', '.join(self.shown)}{more}). `reindex` restores them."


def _fields(cluster: Cluster, version: Version) -> Iterator[str]:
    """What the searches need: a vector, and the words of the language, unless the text has none."""
    nowhere, unfound = _Names(), _Names()
    for page in hits(cluster, version.name, _without(layout.VECTOR), ("id",)):
        for hit in page:
            nowhere.add(str(hit.get("id")))
    for language in sorted(version.meta.analyzers):
        of_it = {"bool": {"filter": [{"term": {"language": language}}, _without(field_of(language))]}}
        for page in hits(cluster, version.name, of_it, ("id",)):
            for name in _wordy(cluster, version, language, [str(hit.get("id")) for hit in page]):
                unfound.add(name)
    known = {"terms": {"language": sorted(version.meta.analyzers)}}
    for page in hits(cluster, version.name, {"bool": {"must_not": known}}, ("id",)):
        for hit in page:
            unfound.add(str(hit.get("id")))
    if nowhere.count:
        yield nowhere.sentence("passages have no vector")
    if unfound.count:
        yield unfound.sentence("passages cannot be found by words")


def _without(name: str) -> dict[str, Any]:
    return {"bool": {"must_not": {"exists": {"field": name}}}}


def _wordy(cluster: Cluster, version: Version, language: str, ids: list[str]) -> Iterable[str]:
    """Those of these passages that have words, as far as that can be said here."""
    if not prepared_by_client(version.meta.analyzers, language):
        return
    for start in range(0, len(ids), _PAGE):
        some = ids[start : start + _PAGE]
        body = {"size": len(some), "query": {"ids": {"values": some}}, "_source": list(layout.STORED)}
        for hit in search(cluster, version.name, body)["hits"]["hits"]:
            text = read(hit["_source"], Source).passage().search_text
            if passage_text(version.meta.analyzers, text, language):
                yield hit["_id"]


def _languages(cluster: Cluster, version: Version) -> Iterator[str]:
    """A collection has one language: its other passages are not looked for in theirs."""
    sources = [{name: {"terms": {"field": name}}} for name in ("collection", "language")]
    body: dict[str, Any] = {"size": 0, "aggs": {"held": {"composite": {"size": 10_000, "sources": sources}}}}
    mixed: Counter[str] = Counter()
    while True:
        held = search(cluster, version.name, body)["aggregations"]["held"]
        mixed.update(bucket["key"]["collection"] for bucket in held["buckets"])
        if "after_key" not in held:
            break
        body["aggs"]["held"]["composite"]["after"] = held["after_key"]
    names = _Names()
    for name in sorted(name for name, times in mixed.items() if times > 1):
        names.add(name)
    if names.count:
        yield names.sentence("collections hold passages in more than one language")


def _copies(cluster: Cluster, version: Version) -> Iterator[str]:
    stats = persist(
        cluster,
        lambda _: cluster.call(lambda client: client.indices.stats(index=version.name, metric="docs")),
    )
    shards = stats.get("_shards", {}) if isinstance(stats, dict) else {}
    there, wanted = shards.get("successful", 0), shards.get("total", 0)
    if there != wanted:
        yield f"{there} of {wanted} copies of the shards of {version.name} are there; the rest has no node."
    if missing := sorted(LANGUAGES.keys() - version.meta.analyzers.keys()):
        yield f"{version.name} has no field for {', '.join(missing)}; `reindex` adds them."


def _roles(found: Iterable[Version]) -> Iterator[str]:
    found = list(found)
    for role in ("read", "previous"):
        names = [version.name for version in found if role in version.roles]
        if len(names) > 1:
            yield f"{len(names)} versions of the index are called {role} ({', '.join(names)})."
    for version in found:
        if version.roles & {"read", "previous"} and "write" not in version.roles:
            yield f"{version.name} is searched and not kept up to date. Run: manage.py reindex"


def _left_over(found: Iterable[Version]) -> Iterator[str]:
    for version in found:
        if not version.roles:
            yield f"{version.name} has no use any more; it can be deleted."
