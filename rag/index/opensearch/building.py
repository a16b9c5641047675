"""A reader and a writer of one version by its name, whatever it is used for: what a re-index works with."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag.errors import IndexCorrupt
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.reader import OpenSearchReader
from rag.index.opensearch.versions import Version, versions
from rag.index.opensearch.writer import OpenSearchWriter


class VersionReader(OpenSearchReader):
    """An `IndexReader` of this version and no other."""

    def __init__(self, cluster: Cluster, of: Version) -> None:
        super().__init__(cluster, of.meta)
        self._of = of

    def _find(self) -> Version:
        return self._of


class VersionWriter(OpenSearchWriter):
    """An `IndexWriter` into this version and no other; it takes vectors of that version's encoder."""

    def __init__(self, cluster: Cluster, of: Version) -> None:
        super().__init__(cluster, of.meta, None)
        self._only = of

    def _targets(self) -> Sequence[Version]:
        return [self._only]


def named(cluster: Cluster, name: str) -> Version:
    """The version of this name. Raises `IndexCorrupt` where there is none."""
    for version in versions(cluster):
        if version.name == name:
            return version
    raise IndexCorrupt(f"There is no version {name} of the index in the cluster.")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a version is, and how much of it answers."""

    passages: int
    bytes: int
    """On the disks of the cluster, all copies together."""
    shards: int
    """With their copies."""
    answering: int


def size(cluster: Cluster, name: str) -> Size:
    """Raises `IndexUnavailable`, as where there is no version of this name."""
    found = cluster.call(lambda client: client.indices.stats(index=name, metric="docs,store"))
    shards, whole = found["_shards"], found["_all"]
    return Size(
        passages=int(whole["primaries"].get("docs", {}).get("count", 0)),
        bytes=int(whole["total"].get("store", {}).get("size_in_bytes", 0)),
        shards=int(shards["total"]),
        answering=int(shards["successful"]),
    )
