"""The application's index, whichever engine it is on: the one door to `rag.index`."""

import threading
from functools import lru_cache

from django.conf import settings

from rag.encode.base import Encoder
from rag.errors import IndexUnavailable
from rag.index import embedded, opensearch
from rag.index.base import Glance, IndexReader, IndexReport, IndexWriter
from rag.index.embedded.glance import glance as glance_embedded
from rag.index.opensearch import hybrid
from rag.spec import EncoderSpec, FuseSpec

_opening = threading.Lock()
_named: dict[str, EncoderSpec] = {}
"""Fingerprint of an encoder to how it is loaded; stands in the `_meta` of each version on a cluster."""


@lru_cache
def cluster() -> opensearch.Cluster | None:
    """The cluster that the index is on; None where it is the embedded one. It is not asked anything yet."""
    if not settings.OPENSEARCH_URLS:
        return None
    address = opensearch.Address(
        urls=tuple(settings.OPENSEARCH_URLS),
        user=settings.OPENSEARCH_USER,
        password=settings.OPENSEARCH_PASSWORD,
        ca=settings.OPENSEARCH_CA,
        prefix=settings.OPENSEARCH_PREFIX,
        timeout_s=settings.OPENSEARCH_TIMEOUT,
    )
    try:
        return opensearch.Cluster(address)
    except OSError as error:
        said = f"SIEVE_OPENSEARCH_CA: {address.ca} is no file with a certificate that can be read."
        raise IndexUnavailable(said) from error


def form() -> opensearch.Form:
    """How the next version of an index on a cluster is laid out."""
    return opensearch.Form(
        shards=settings.OPENSEARCH_SHARDS,
        replicas=settings.OPENSEARCH_REPLICAS,
        engine=settings.OPENSEARCH_ENGINE,
        compression=settings.OPENSEARCH_COMPRESSION,
    )


def name(of: Encoder, spec: EncoderSpec) -> None:
    """Say how this encoder is loaded, so that whoever writes can make the vectors of another version, too."""
    _named[of.fingerprint] = spec


def meta(of: Encoder) -> opensearch.Meta:
    """What a version on a cluster that holds this encoder's vectors is built with."""
    return _meta(of.fingerprint, of.dimension)


def _meta(fingerprint: str, dimension: int) -> opensearch.Meta:
    spec = _named.get(fingerprint)
    backend, model = (spec.backend, spec.model) if spec else ("", "")
    return opensearch.Meta(encoder=fingerprint, dimension=dimension, backend=backend, model=model)


def reader(of: Encoder) -> IndexReader:
    """The index of this encoder, open for reading; an empty one is made where there is none.

    On a cluster nothing is made and nothing is asked: it may be away, and a question waits for it with a
    deadline of its own.
    """
    with _opening:
        return _reader(of.fingerprint, of.dimension)


@lru_cache
def _reader(fingerprint: str, dimension: int) -> IndexReader:
    if at := cluster():
        return opensearch.open_reader(at, _meta(fingerprint, dimension))
    embedded.create(settings.INDEX_DIR, fingerprint, dimension)
    return embedded.open_reader(settings.INDEX_DIR, fingerprint, dimension)


def writer(of: Encoder, *, wait_s: float = 0.0, re_encode: opensearch.ReEncode | None = None) -> IndexWriter:
    """A writer, to be closed. It must be told the languages of collections before it writes.

    `re_encode` makes the vectors of versions on a cluster that have another encoder.
    Raises `IndexBusy` where there can be only one, and another process still has it after `wait_s` seconds.
    """
    if at := cluster():
        _prepare(at, of)
        return opensearch.open_writer(at, meta(of), re_encode)
    reader(of)
    return embedded.open_writer(settings.INDEX_DIR, of.fingerprint, of.dimension, wait_s=wait_s)


def _prepare(at: opensearch.Cluster, of: Encoder) -> None:
    """Make the first version where there is none. Raises `IndexUnavailable` for a cluster that is not fit."""
    if lacks := unfit(at):
        raise IndexUnavailable(lacks)
    opensearch.create(at, meta(of), form())


OLDEST = (2, 19)
"""Version of OpenSearch."""


def unfit(at: opensearch.Cluster) -> str:
    """Why an index cannot lie on this cluster, or nothing. Raises `IndexUnavailable` where it is away."""
    able = at.able
    if able.version[:2] < OLDEST:
        has, needed = (".".join(map(str, version)) for version in (able.version, OLDEST))
        return f"The search cluster runs OpenSearch {has}. Sieve needs {needed} or newer."
    if "knn" not in able.abilities:
        return "The search cluster lacks the plugin opensearch-knn, by which passages are found by meaning."
    return ""


def unable_to_fuse(how: FuseSpec) -> str:
    """Why the index cannot fuse as this spec says, or nothing. Raises `IndexUnavailable` where it is away."""
    if not how.server:
        return ""
    if at := cluster():
        return hybrid.objection(at.able, how.method, how.bm25, how.knn)
    return "The embedded index does not fuse by itself."


def verify(of: Encoder) -> IndexReport:
    """Hold the parts of the index against each other; mends nothing."""
    if at := cluster():
        _prepare(at, of)
        return opensearch.verify(at, meta(of))
    return embedded.verify(settings.INDEX_DIR, of.fingerprint, of.dimension)


def glance() -> Glance | None:
    """The index in use; None where there is none yet. Raises `SieveError` where it cannot be looked at."""
    if at := cluster():
        return opensearch.glance(at)
    return glance_embedded(settings.INDEX_DIR)


def forget() -> None:
    """Let go of open readers and of the cluster."""
    with _opening:
        cluster.cache_clear()
        _reader.cache_clear()
