"""An index of a test's own in a real OpenSearch, straight and through the proxy."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index import opensearch
from rag.index.base import EncodedPassages
from rag.index.opensearch import Address, Cluster, Form, Meta
from tests.contracts.index import ALL, DIMENSION, FINGERPRINT, bm25, document, knn
from tests.faults.proxy import Proxy
from tests.opensearch import VERSIONS, fresh, running, server

Held = dict[tuple[str, int], int]
TRIES = 60
META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)


def fresh_index() -> Iterator[Address]:
    """An empty one, by the address of the server itself. On one version: the faults are the proxy's."""
    version = next((version for version in VERSIONS if server(version)), VERSIONS[0])
    for address in fresh(running(version)):
        patient = replace(address, timeout_s=20.0)
        opensearch.create(Cluster(patient), META, Form())
        yield patient


def through(proxy: Proxy, address: Address, timeout_s: float, *, bulk_timeout_s: float = 2.0) -> Cluster:
    """The same index by way of the proxy."""
    return Cluster(replace(address, urls=(proxy.url,), timeout_s=timeout_s, bulk_timeout_s=bulk_timeout_s))


def some(count: int = 6, *, version: int = 1) -> list[EncodedPassages]:
    return [
        document(f"d{n}", f"alpha word{n}", f"beta word{n}", version=version, collection="abc"[n % 3])
        for n in range(count)
    ]


def held(place: Address) -> Held:
    """What is there, by the server itself, once all is visible that was ever written."""
    cluster = Cluster(place)
    cluster.call(lambda client: client.indices.refresh(index=f"{place.prefix}-*"))
    return opensearch.open_reader(cluster, META).documents()


def of(documents: list[EncodedPassages]) -> Held:
    return {(d.document_id, d.version): len(d.passages) for d in documents}


def until_done(call: Callable[[], None]) -> int:
    """Call it until it returns; gives how often that was."""
    for number in range(1, TRIES):
        try:
            call()
            return number
        except (IndexUnavailable, IndexCorrupt):
            time.sleep(0.02)
    raise AssertionError("it never came to an end")


def check_found(place: Address, documents: list[EncodedPassages]) -> None:
    """Each passage by its words and by its meaning, without a refresh: a write that returned is visible."""
    reader = opensearch.open_reader(Cluster(place), META)
    for one in documents:
        for passage, vector in zip(one.passages, one.vectors, strict=True):
            assert passage in bm25(reader, passage.text, 50, ALL).passages
            assert knn(reader, vector, 1, ALL).passages == (passage,)


def named(name: str, *, slow: bool = False) -> Any:
    """A parameter of a test; one that waits for something may be slow."""
    return pytest.param(name, id=name, marks=[pytest.mark.slow] if slow else [])
