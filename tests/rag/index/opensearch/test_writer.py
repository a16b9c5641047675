"""What only a writer of a cluster has to promise: several versions at once, several writers, no lock."""

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rag.codes import quantise
from rag.errors import IndexCorrupt, PassagesRefused
from rag.index import opensearch as engine
from rag.index.base import EncodedPassages
from rag.index.opensearch import Address, Cluster, Form, Meta, OpenSearchWriter, bulk, layout, writer
from rag.index.opensearch.versions import begin, drop, promote, versions
from tests.contracts.index import DIMENSION, FINGERPRINT, bm25, document, found, knn, unit

META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)
OTHER = Meta(encoder="another", dimension=16)
ONE = pytest.mark.parametrize("opensearch_server", ["3.6.0"], indirect=True)


@pytest.fixture
def at(opensearch: Address) -> Cluster:
    cluster = Cluster(replace(opensearch, timeout_s=20.0))
    engine.create(cluster, META, Form())
    return cluster


def held(at: Cluster, name: str) -> dict[str, int]:
    """Passage id to external version, of one version of the index."""
    at.client.indices.refresh(index=name)
    body = {"size": 10_000, "version": True, "_source": False}
    return {hit["_id"]: hit["_version"] for hit in at.client.search(index=name, body=body)["hits"]["hits"]}


def names(at: Cluster) -> list[str]:
    return [version.name for version in versions(at)]


def re_encode(meta: Meta, of: EncodedPassages) -> EncodedPassages:
    """Half as many dimensions."""
    half = of.vectors[:, : meta.dimension]
    half = half / np.linalg.norm(half, axis=1, keepdims=True)
    codes = tuple(quantise(half[i : i + 1]) for i in range(len(half)))
    return EncodedPassages(of.document_id, of.version, of.passages, half, codes)


# --- versions ---------------------------------------------------------------------------------------


def test_every_version_is_kept_up_to_date_each_with_its_own_encoder(at: Cluster) -> None:
    new = begin(at, OTHER, Form())
    documents = [document("d", "alpha", "beta"), document("e", "alpha")]
    writer = engine.open_writer(at, META, re_encode)
    writer.write(documents)
    old = names(at)[0]
    assert held(at, old) == held(at, new) == dict.fromkeys(("d:1:0", "d:1:1", "e:1:0"), layout.WRITTEN)
    promote(at, new)
    reader = engine.open_reader(at, OTHER)
    assert found(knn(reader, re_encode(OTHER, documents[1]).vectors[0], 1)) == ["e"]
    writer.delete("d")
    assert held(at, old).keys() == held(at, new).keys() == {"e:1:0"}
    for mine in (engine.open_writer(at, META), engine.open_writer(at, replace(META, scheme="x"), re_encode)):
        with pytest.raises(IndexCorrupt, match="manage.py reindex"):
            mine.write(documents)


@ONE
def test_a_version_begun_during_a_change_gets_it_too(at: Cluster) -> None:
    def documents():
        yield document("d", "alpha")
        begin(at, META, Form())
        yield document("e", "alpha")

    writer = engine.open_writer(at, META)
    writer.write([document("f", "alpha")])
    writer.write(documents())
    old, new = names(at)
    assert held(at, new).keys() == {"d:1:0", "e:1:0"}
    third = ""
    lookup = writer._targets

    def looked_up():
        nonlocal third
        found = lookup()
        third = third or begin(at, META, Form())
        return found

    writer._targets = looked_up  # type: ignore[method-assign]
    writer.write([document("g", "alpha")])
    assert held(at, third).keys() == {"g:1:0"} < held(at, old).keys()


@ONE
def test_a_version_dropped_meanwhile_is_not_made_again(at: Cluster) -> None:
    first = names(at)[0]
    gone = begin(at, META, Form())
    writer = engine.open_writer(at, META)
    writer.write([document("d", "alpha"), document("e", "alpha")])
    stale, lookup = writer._targets(), writer._targets

    for change in (lambda: writer.write([document("g", "alpha")]), lambda: writer.delete("d")):
        answers = iter([stale])
        writer._targets = lambda answers=answers: next(answers, None) or lookup()  # type: ignore[method-assign]
        drop(at, gone)
        change()
        assert names(at) == [first]
        assert not at.client.indices.exists(index=f"{gone}*", params={"allow_no_indices": "false"})
    assert held(at, first).keys() == {"e:1:0", "g:1:0"}
    # a deletion that reaches a version dropped between its search and its bulk
    item = bulk.removing(gone, "d:1:0", layout.REMOVED)
    assert [outcome.end for outcome in bulk.send(at, [item])] == ["gone"]
    assert names(at) == [first]


@ONE
def test_a_version_that_lost_its_own_alias_is_no_dropped_one(at: Cluster) -> None:
    (name,) = names(at)
    action = {"remove": {"index": name, "alias": layout.own_alias(name)}}
    at.client.indices.update_aliases(body={"actions": [action]})
    with pytest.raises(IndexCorrupt, match="its own alias is"):
        engine.open_writer(at, META).write([document("d", "alpha")])


@ONE
def test_without_an_index_nothing_is_written(at: Cluster) -> None:
    writer = engine.open_writer(Cluster(replace(at.address, prefix=at.address.prefix + "x")), META)
    for change in (lambda: writer.write([document("d", "alpha")]), lambda: writer.delete("d")):
        with pytest.raises(IndexCorrupt, match="no index"):
            change()
    assert not at.client.indices.get(index=f"{at.address.prefix}x*")


# --- replacing and deleting ---------------------------------------------------------------------------


def test_what_was_deleted_stays_out(at: Cluster) -> None:
    writer = engine.open_writer(at, META)
    writer.write([document("d", "alpha", "beta"), document("d", "alpha", version=2)])
    writer.delete("d", version=1)
    writer.write([document("d", "alpha", "beta", "gamma")])  # late: of a worker that hung
    assert held(at, names(at)[0]) == {"d:1:2": 1, "d:2:0": 1}  # what was never there leaves no mark
    writer.delete("d", version=1)
    assert found(bm25(engine.open_reader(at, META), "alpha")) == ["d"]


def test_a_version_may_shrink_and_grow(at: Cluster) -> None:
    writer = engine.open_writer(at, META)
    for texts in (("alpha", "beta", "gamma"), ("alpha",), (), ("beta", "alpha", "gamma", "delta")):
        writer.write([document("d", *texts), document("d", *texts, version=2)])
        assert engine.open_reader(at, META).documents() == (
            {("d", 1): len(texts), ("d", 2): len(texts)} if texts else {}
        )
    writer.write([document("d", "alpha", "beta"), document("d", "beta")])
    assert engine.open_reader(at, META).documents() == {("d", 1): 1, ("d", 2): 4}


def test_thousands_of_deletions_are_one_change(at: Cluster) -> None:
    """Thousands of documents in one write, too."""
    writer = engine.open_writer(at, META)
    writer.write(document(f"d{i}", "alpha", version=v, vectors=unit(1)) for i in range(1200) for v in (1, 2))
    writer.delete_many([*((f"d{i}", 1) for i in range(1100)), *((f"d{i}", None) for i in range(600, 1200))])
    left = {(f"d{i}", 2): 1 for i in range(600)}
    assert engine.open_reader(at, META).documents() == left


@ONE
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_failing_iterator_takes_back_what_was_new(
    at: Cluster, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """However much of it was sent before."""
    monkeypatch.setattr(writer, "GROUP_PASSAGES", limit or 10_000)
    mine = engine.open_writer(at, META)
    mine.write([document("old", "alpha", "beta"), document("grown", "alpha")])

    def broken():
        yield document("new", "alpha", "beta")
        yield document("old", "alpha", "beta")
        yield document("grown", "alpha", "beta")
        yield document("last", "alpha", "beta")
        raise RuntimeError("the encoder broke")

    with pytest.raises(RuntimeError, match="encoder"):
        mine.write(broken())
    documents = engine.open_reader(at, META).documents()
    assert documents[("old", 1)] == 2 and documents[("grown", 1)] >= 1
    assert documents.keys() == {("old", 1), ("grown", 1)}
    mine.write([document("new", "alpha", "beta")])
    assert engine.open_reader(at, META).documents()[("new", 1)] == 2


@ONE
def test_a_large_call_goes_in_many_requests(at: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK_BYTES", 3_000)
    monkeypatch.setattr(writer, "GROUP_PASSAGES", 40)
    engine.open_writer(at, META).write(document(f"d{i}", "alpha", "beta") for i in range(60))
    assert len(held(at, names(at)[0])) == 120


# --- refusals -----------------------------------------------------------------------------------------


def zeros(name: str) -> EncodedPassages:
    """The middle one of its passages has no direction: a cluster refuses that."""
    vectors = unit(3)
    vectors[1] = 0
    return document(name, "alpha", "beta", "gamma", vectors=vectors)


def halves(name: str) -> EncodedPassages:
    """A text that is none."""
    whole = document(name, "alpha", "beta")
    return replace(whole, passages=(whole.passages[0], replace(whole.passages[1], text="\ud83d")))


@pytest.mark.parametrize("bad", [zeros, halves])
def test_a_document_at_fault_is_refused_alone(at: Cluster, bad: Callable[[str], EncodedPassages]) -> None:
    building = begin(at, META, Form())
    mine = engine.open_writer(at, META)
    with pytest.raises(PassagesRefused, match="1 documents: bad") as refused:
        mine.write([document("good", "alpha"), bad("bad"), document("other", "beta")])
    assert refused.value.reasons.keys() == {"bad"}
    assert "alpha" not in refused.value.reasons["bad"]
    assert engine.open_reader(at, META).documents() == {("good", 1): 1, ("other", 1): 1}
    assert held(at, building).keys() == {"good:1:0", "other:1:0"}
    mine.write([document("bad", "alpha", version=2)])


# --- languages ----------------------------------------------------------------------------------------


def test_a_collection_has_one_language(at: Cluster) -> None:
    mine, other = engine.open_writer(at, META), engine.open_writer(at, META)
    mine.set_languages({"a": "en", "b": "de", "c": "cjk"})
    other.set_languages({"b": "fr"})  # nothing is there yet
    mine.write([document("d", "die Bücher", collection="b")])
    for one in (other, engine.open_writer(at, META)):
        with pytest.raises(IndexCorrupt, match=r"another language: b\. Run: manage\.py reindex"):
            one.set_languages({"a": "fr", "b": "ru"})
        one.write([document("e", "des livres")])  # the others were told
    assert found(bm25(engine.open_reader(at, META), "livre", 10, ["a"])) == ["e"]
    mine.delete("d")
    other.set_languages({"b": "ru"})
    with pytest.raises(ValueError, match="no language 'xx'"):
        other.set_languages({"b": "xx"})


def test_a_writer_that_was_told_nothing_asks_the_index(at: Cluster) -> None:
    told, untold = engine.open_writer(at, META), engine.open_writer(at, META)
    told.set_languages({"b": "de"})
    told.write([document("d", "die Bücher", collection="b")])
    untold.write([document("e", "die Häuser", collection="b"), document("f", "the houses")])
    reader = engine.open_reader(at, META)
    assert found(bm25(reader, "Haus", 10, ["b"])) == ["e"] and found(bm25(reader, "house", 10, ["a"])) == [
        "f"
    ]
    assert engine.verify(at, META).problems == ()


@ONE
def test_an_index_from_before_a_language_says_so(at: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is searched refuses such documents; one that waits for a rollback does without words."""
    from rag.index.opensearch import analysis

    old = names(at)[0]
    with monkeypatch.context() as before:
        before.setattr(analysis, "LANGUAGES", {"en": "English"})
        second = begin(at, META, Form())
    mine = engine.open_writer(at, META)
    mine.set_languages({"b": "de"})
    german = document("d", "die Bücher", collection="b")
    mine.write([german])
    assert held(at, old).keys() == held(at, second).keys() == {"d:1:0"}
    mine.delete("d")
    promote(at, second)
    with pytest.raises(PassagesRefused) as refused:
        mine.write([replace(german, version=1), document("e", "alpha")])
    assert "'de'" in refused.value.reasons["d"] and "reindex" in refused.value.reasons["d"]
    assert held(at, old).keys() == held(at, second).keys() == {"e:1:0"}


@ONE
def test_writers_at_once_lose_nothing(at: Cluster) -> None:
    def work(number: int, writer: OpenSearchWriter) -> None:
        for step in range(6):
            writer.write([document(f"d{number}-{step}", "alpha", "beta"), document(f"shared{step}", "alpha")])
            writer.delete_many([(f"d{number}-{step - 1}", 1)])

    threads = [threading.Thread(target=work, args=(n, engine.open_writer(at, META))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = {(f"d{n}-5", 1): 2 for n in range(4)} | {(f"shared{step}", 1): 1 for step in range(6)}
    assert engine.open_reader(at, META).documents() == wanted
    assert engine.verify(at, META).problems == ()
