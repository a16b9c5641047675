"""The index for more than one machine: an OpenSearch cluster.

`create`, `open_reader`, `open_writer`, `verify` and `glance` are what the application needs of it, like
those of `rag.index.embedded`; `versions` has what a re-index does.
"""

from rag.index.base import Glance
from rag.index.opensearch.cluster import Address, Cluster, Form
from rag.index.opensearch.layout import Meta
from rag.index.opensearch.reader import OpenSearchReader
from rag.index.opensearch.verify import verify, verify_version
from rag.index.opensearch.versions import create, versions, with_role
from rag.index.opensearch.walk import whole
from rag.index.opensearch.writer import OpenSearchWriter
from rag.index.opensearch.writing import ReEncode

__all__ = [
    "Address",
    "Cluster",
    "Form",
    "Meta",
    "OpenSearchReader",
    "OpenSearchWriter",
    "ReEncode",
    "create",
    "glance",
    "open_reader",
    "open_writer",
    "verify",
    "verify_version",
]


def open_reader(cluster: Cluster, wanted: Meta) -> OpenSearchReader:
    """Share one among all threads. It finds the version of its encoder by itself, at every search."""
    return OpenSearchReader(cluster, wanted)


def open_writer(cluster: Cluster, wanted: Meta, re_encode: ReEncode | None = None) -> OpenSearchWriter:
    """One of any number. `re_encode` makes the vectors of a version that has another encoder."""
    return OpenSearchWriter(cluster, wanted, re_encode)


def glance(cluster: Cluster) -> Glance | None:
    """The version in use; None where there is none yet. More than 40,000 documents are counted roughly."""
    version = with_role(versions(cluster), "read")
    if version is None:
        return None
    number = {"cardinality": {"field": "document_id", "precision_threshold": 40_000}}
    body = {"size": 0, "track_total_hits": True, "aggs": {"documents": number}}
    found = whole(cluster.call(lambda client: client.search(index=version.name, body=body)))
    passages, documents = found["hits"]["total"]["value"], found["aggregations"]["documents"]["value"]
    return Glance(version.name, version.meta.encoder, passages, documents)
