"""What a reader remembers for a second, and what it may not remember."""

import threading
import time

import pytest

from rag.errors import IndexUnavailable
from rag.index import opensearch
from rag.index.opensearch import Address, Cluster, Form, Meta
from rag.index.opensearch.census import FRESH_S, STALE_S, Census, Kept, take
from rag.index.opensearch.versions import versions
from rag.types import Lexical
from tests.contracts.index import DIMENSION, FINGERPRINT, bm25, document, found

META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)


class Scripted:
    """Gives what it was told to, in order; the last one for ever."""

    def __init__(self, *values: object, takes_s: float = 0.0) -> None:
        self.values, self.takes_s, self.times = list(values), takes_s, 0

    def __call__(self, until: float) -> object:
        self.times += 1
        time.sleep(self.takes_s)
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        if isinstance(value, Exception):
            raise value
        return value


def kept(fetch: Scripted) -> Kept[object]:
    return Kept(fetch, total_s=2.0, share_s=0.3)


def test_many_threads_ask_once() -> None:
    fetch = Scripted("a", takes_s=0.1)
    held = kept(fetch)
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(held.get())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["a"] * 20 and fetch.times == 1


def test_a_value_is_a_second_old_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("rag.index.opensearch.census.time.monotonic", lambda: now[0])
    held = kept(Scripted("a", "b"))
    assert held.get() == "a"
    now[0] += FRESH_S * 0.9
    assert held.get() == "a"
    now[0] += FRESH_S * 0.2
    assert held.get() == "b"


def test_since_wants_a_newer_one() -> None:
    held = kept(Scripted("a", "b"))
    assert held.get() == "a"
    assert held.get(since=time.monotonic()) == "b"


def test_an_old_value_stands_in_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("rag.index.opensearch.census.time.monotonic", lambda: now[0])
    down = IndexUnavailable("down")
    fetch = Scripted("a", down)
    held = kept(fetch)
    held.get()
    now[0] += 2
    assert [held.get() for _ in range(3)] == ["a"] * 3 and fetch.times == 2
    with pytest.raises(IndexUnavailable):  # not where a newer one is needed
        held.get(since=now[0])
    now[0] += STALE_S
    with pytest.raises(IndexUnavailable):
        held.get()


def test_nobody_waits_longer_than_its_share_for_another_thread() -> None:
    fetch = Scripted("a", "b", takes_s=0.0)
    held = kept(fetch)
    held.get()
    time.sleep(FRESH_S)
    fetch.takes_s = 1.5
    slow = threading.Thread(target=held.get)
    slow.start()
    time.sleep(0.1)
    began = time.monotonic()
    assert held.get() == "a" and time.monotonic() - began < 0.8
    slow.join()


def test_a_census_counts_by_collection_and_language() -> None:
    census = Census({"a": {"en": 3}, "b": {"de": 2, "cjk": 1}})
    assert census.languages(["b", "a", "unknown"]) == ["cjk", "de", "en"]
    assert census.passages(["a", "a", "b", "unknown"]) == 6


def test_a_census_of_a_real_index(opensearch: Address) -> None:
    cluster = Cluster(opensearch)
    reader = _filled(cluster, {"a": "en", "b": "de"})
    (version,) = versions(cluster)
    census = take(cluster, version.name, time.monotonic() + 5)
    assert census == Census({"a": {"en": 2}, "b": {"de": 1}})
    assert reader.count(["a", "b", "b", "c"]) == 3


def test_a_new_collection_and_language_are_found_at_once(opensearch: Address) -> None:
    cluster = Cluster(opensearch)
    reader = _filled(cluster, {"a": "en", "b": "de"})
    assert found(bm25(reader, "Haus", 5, ("a", "c"))) == []
    writer = _writer(cluster, {"c": "de"})
    writer.write([document("new", "die Häuser", collection="c")])
    assert found(bm25(reader, "Haus", 5, ("a", "c"))) == ["new"]


def test_collections_without_passages_ask_nobody(opensearch: Address) -> None:
    reader = _filled(Cluster(opensearch), {"a": "en", "b": "de"})
    (leg,) = reader.search([Lexical("alpha")], 5, ["unknown"])
    assert leg.ranking is not None and len(leg.ranking) == 0 and not leg.partial
    (leg,) = reader.search([Lexical("alpha")], 5, [])
    assert leg.ranking is not None and len(leg.ranking) == 0


def _writer(cluster: Cluster, languages: dict[str, str]) -> opensearch.OpenSearchWriter:
    writer = opensearch.open_writer(cluster, META)
    writer.set_languages(languages)
    return writer


def _filled(cluster: Cluster, languages: dict[str, str]) -> opensearch.OpenSearchReader:
    opensearch.create(cluster, META, Form())
    documents = [document("x", "alpha", "beta"), document("y", "das Haus", collection="b")]
    _writer(cluster, languages).write(documents)
    return opensearch.open_reader(cluster, META)
