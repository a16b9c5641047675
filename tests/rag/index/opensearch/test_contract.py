"""The index in a cluster keeps the contract, on each version that is supported."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from rag.index import opensearch as engine
from rag.index.opensearch import Address, Cluster, Form, Meta, OpenSearchReader, OpenSearchWriter
from tests.contracts.filters import FilterContract, SpellingContract
from tests.contracts.index import DIMENSION, FINGERPRINT, IndexContract
from tests.contracts.large_index import LargeIndexContract
from tests.opensearch import fresh, running

META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)


@dataclass(frozen=True)
class Prefix:
    """A place in a cluster; every reader and writer has a connection of its own."""

    address: Address

    def writer(self, languages: Mapping[str, str] | None = None) -> OpenSearchWriter:
        writer = engine.open_writer(Cluster(self.address), META)
        if languages:
            writer.set_languages(languages)
        return writer

    def reader(self) -> OpenSearchReader:
        return engine.open_reader(Cluster(self.address), META)


def _place(version: str) -> Iterator[Prefix]:
    for address in fresh(running(version)):
        engine.create(Cluster(address), META, Form())
        yield Prefix(address)


@pytest.mark.opensearch("3.6.0")
class TestOpenSearch3Contract(IndexContract, FilterContract, SpellingContract):
    @pytest.fixture
    def place(self) -> Iterator[Prefix]:
        yield from _place("3.6.0")


@pytest.mark.opensearch("2.19.1")
class TestOpenSearch2Contract(IndexContract, FilterContract, SpellingContract):
    @pytest.fixture
    def place(self) -> Iterator[Prefix]:
        yield from _place("2.19.1")


@pytest.mark.slow
@pytest.mark.opensearch("3.6.0")
class TestOpenSearch3LargeContract(LargeIndexContract):
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls) -> Iterator[Prefix]:
        yield from _place("3.6.0")


@pytest.mark.slow
@pytest.mark.opensearch("2.19.1")
class TestOpenSearch2LargeContract(LargeIndexContract):
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls) -> Iterator[Prefix]:
        yield from _place("2.19.1")
