"""`verify` finds what was damaged in a real cluster, names it, and finds nothing where all is well."""

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from rag.index import opensearch as engine
from rag.index.opensearch import Address, Cluster, Form, Meta, layout
from rag.index.opensearch.versions import begin, promote, versions
from tests.contracts.index import DIMENSION, FINGERPRINT, document

META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)

ONE = pytest.mark.parametrize("opensearch_server", ["3.6.0"], indirect=True)


@pytest.fixture
def at(opensearch: Address) -> Cluster:
    cluster = Cluster(replace(opensearch, timeout_s=20.0))
    engine.create(cluster, META, Form())
    writer = engine.open_writer(cluster, META)
    writer.set_languages({"b": "de", "c": "ja"})
    writer.write(
        [
            document("d", "alpha", "beta", "gamma"),
            document("e", "die Bücher", collection="b"),
            document("f", "東京都", "🙂", collection="c"),
        ]
    )
    return cluster


def name(at: Cluster) -> str:
    return versions(at)[-1].name


def change(at: Cluster, passage_id: str, edit: Callable[[dict], object]) -> None:
    """Put the passage in again, altered, as somebody else's program might."""
    found = at.client.search(
        index=name(at),
        body={"query": {"ids": {"values": [passage_id]}}, "docvalue_fields": [layout.CODES]},
    )["hits"]["hits"][0]
    codes = found["fields"][layout.CODES][0]
    source = found["_source"] | {layout.CODES: codes.replace("-", "+").replace("_", "/")}
    source |= {layout.VECTOR: [1.0] + [0.0] * (DIMENSION - 1), f"words_{source['language']}": "alpha"}
    edit(source)
    at.client.index(
        index=name(at), id=passage_id, body=source, params={"version": 9, "version_type": "external"}
    )


def test_a_whole_index_has_no_problems(at: Cluster) -> None:
    report = engine.verify(at, META)
    assert (report.passages, report.documents, report.problems) == (6, 3, ())


@ONE
@pytest.mark.parametrize(
    ("passage_id", "edit", "said"),
    [
        ("d:1:1", lambda source: source.pop(layout.VECTOR), "1 passages have no vector (d:1:1)"),
        ("d:1:1", lambda source: source.pop("words_en"), "1 passages cannot be found by words (d:1:1)"),
        ("d:1:1", lambda source: source.update(language="xx"), "cannot be found by words (d:1:1)"),
        ("d:1:1", lambda source: source.update(text="altered"), "damaged text (d:1:1)"),
        ("d:1:1", lambda source: source.update(codes="AAAA"), "damaged token codes or damaged text (d:1:1)"),
        ("d:1:1", lambda source: source.pop("codes"), "damaged token codes or damaged text (d:1:1)"),
        ("d:1:1", lambda source: source.update(position=7), "lack some of their passages (d:1)"),
        ("d:1:1", lambda source: source.update(document_id="z"), "another id than their place (d:1:1)"),
        ("d:1:1", lambda source: source.update(collection="b"), "in more than one language (b)"),
        ("d:1:1", lambda source: source.pop("start"), "are no passages of ours (d:1:1)"),
    ],
)
def test_damage_is_named(at: Cluster, passage_id: str, edit: Callable[[dict], object], said: str) -> None:
    change(at, passage_id, edit)
    problems = engine.verify(at, META).problems
    assert any(said in problem for problem in problems), problems
    assert all("`reindex` restores them" in problem for problem in problems)


@ONE
def test_a_lost_passage_is_missed(at: Cluster) -> None:
    at.client.delete(index=name(at), id="d:1:0")
    (problem,) = engine.verify(at, META).problems
    assert "1 document versions lack some of their passages (d:1)" in problem


def test_what_is_taken_out_meanwhile_is_no_gap(at: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = sys.modules["rag.index.opensearch.verify"]
    whole = verify._Seen.add

    def add(seen, hit) -> None:
        if seen.passages == 1:
            engine.open_writer(at, META).delete("d")
            engine.open_writer(at, META).write([document("g", "alpha", "beta")])
        whole(seen, hit)

    monkeypatch.setattr(verify, "_PAGE", 2)
    monkeypatch.setattr(verify._Seen, "add", add)
    report = engine.verify(at, META)
    assert report.problems == () and report.passages == 6


@ONE
def test_no_index_and_no_cluster_are_problems(at: Cluster) -> None:
    assert "another" in engine.verify(at, replace(META, encoder="another")).problems[0]
    empty = Cluster(replace(at.address, prefix=at.address.prefix + "x"))
    assert "There is no index" in engine.verify(empty, META).problems[0]
    away = Cluster(Address(urls=("http://127.0.0.1:9",), bulk_timeout_s=0.2))
    assert "cannot be reached" in engine.verify(away, META).problems[0]


@ONE
def test_roles_are_looked_at(at: Cluster) -> None:
    old = name(at)
    new = begin(at, META, Form())
    promote(at, new)
    prefix = at.address.prefix
    at.client.indices.update_aliases(body={"actions": [{"add": {"index": old, "alias": f"{prefix}-read"}}]})
    assert any("called read" in problem for problem in engine.verify(at, META).problems)
    remove = [
        {"remove": {"index": old, "alias": f"{prefix}-{role}"}} for role in ("read", "previous", "write")
    ]
    at.client.indices.update_aliases(body={"actions": remove})
    report = engine.verify(at, META)
    assert report.problems == () and f"{old} has no use any more" in report.notes[0]
    at.client.indices.update_aliases(
        body={"actions": [{"remove": {"index": new, "alias": f"{prefix}-write"}}]}
    )
    assert any("not kept up to date" in problem for problem in engine.verify(at, META).problems)


def test_a_glance_counts_passages_and_documents(at: Cluster) -> None:
    glance = engine.glance(at)
    assert glance is not None
    assert (glance.version, glance.encoder, glance.passages, glance.documents) == (
        name(at),
        FINGERPRINT,
        6,
        3,
    )
    assert engine.glance(Cluster(replace(at.address, prefix=at.address.prefix + "x"))) is None
