"""A search of a real cluster: languages, long questions, ties, indices that go away."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from rag.errors import IndexUnavailable
from rag.index import opensearch
from rag.index.analyzers import LANGUAGES
from rag.index.opensearch import Address, Cluster, Form, Meta, query
from rag.index.opensearch.analysis import kinds
from rag.index.opensearch.cluster import Able
from rag.index.opensearch.versions import begin, drop, promote, versions
from rag.types import Dense, Lexical
from tests.contracts.index import DIMENSION, FINGERPRINT, bm25, document, found, knn, unit
from tests.faults import kinds as faults
from tests.faults.index import fresh_index
from tests.faults.proxy import Proxy

META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)
BUILT_IN = kinds(Able((3, 6, 0), frozenset()))


def clauses(matching: dict | None) -> int:
    """Words that a query holds."""
    if matching is None:
        return 0
    parts = matching["bool"]["should"] if "bool" in matching else [matching]
    return sum(len(of["query"].split()) for part in parts for of in part["match"].values())


# --- The bodies -------------------------------------------------------------------------------------------


def test_a_long_question_in_every_language_stays_below_the_limit() -> None:
    long = " ".join(f"word{i} 学生{i}" for i in range(3000))
    for languages in (["en"], ["en", "de"], list(LANGUAGES)):
        assert 0 < clauses(query.lexical(BUILT_IN, long, languages)) <= query.CLAUSES
    assert clauses(query.lexical(BUILT_IN, long, ["en"])) == query.MAX_WORDS


def test_repeated_words_weigh_as_often_as_they_stand() -> None:
    matching = query.lexical(BUILT_IN, "beta alpha beta " + "gamma " * 3, ["en"])
    assert matching is not None
    weights = Counter(
        {
            word: match["words_en"]["boost"]
            for match in (part["match"] for part in matching["bool"]["should"])
            for word in match["words_en"]["query"].split()
        }
    )
    assert weights == {"alpha": 1, "beta": 2, "gamma": 3}


@pytest.mark.parametrize("text", ["", "?!", "  ", "\ud800", "x" * 300])
def test_a_question_without_words_asks_nothing(text: str) -> None:
    assert query.lexical(BUILT_IN, text, ["en", "cjk"]) is None


def test_every_subquery_carries_the_filter_inside() -> None:
    words = query.by_words(query.lexical(BUILT_IN, "alpha", ["en"]) or {}, ["a", "b"], [])
    meaning = query.by_meaning([0.0, 1.0], 10, ["a", "b"], [])
    readable = {"terms": {"collection": ["a", "b"]}}
    assert words["bool"]["filter"] == [readable]
    assert meaning["knn"]["vector"]["filter"] == readable
    other = {"terms": {"document_id": ["7"]}}
    words = query.by_words(query.lexical(BUILT_IN, "alpha", ["en"]) or {}, ["a", "b"], [other])
    meaning = query.by_meaning([0.0, 1.0], 10, ["a", "b"], [other])
    assert words["bool"]["filter"] == [readable, other]
    assert meaning["knn"]["vector"]["filter"] == {"bool": {"filter": [readable, other]}}


# --- On a cluster -----------------------------------------------------------------------------------------


def filled(address: Address, *documents, languages=None) -> opensearch.OpenSearchReader:  # type: ignore[no-untyped-def]
    cluster = Cluster(address)
    opensearch.create(cluster, META, Form())
    writer = opensearch.open_writer(cluster, META)
    writer.set_languages(languages or {})
    writer.write(documents)
    return opensearch.open_reader(cluster, META)


def test_every_language_in_one_search(opensearch: Address) -> None:
    names = {f"c-{language}": language for language in LANGUAGES}
    documents = [document(name, "alpha omega 学生", collection=name) for name in names]
    reader = filled(opensearch, *documents, languages=names)
    assert sorted(found(bm25(reader, "alpha 学生", 100, list(names)))) == sorted(names)
    long = " ".join(f"word{i} 学生{i}" for i in range(3000))
    assert sorted(found(bm25(reader, "alpha " + long, 100, list(names)))) == sorted(names)


def test_ties_beyond_every_window(opensearch: Address) -> None:
    """More passages tie than a search widens to: the cluster puts them into order."""
    many, same = 2600, unit(1)
    tied = document("d", *["alpha"] * many, vectors=np.repeat(same, many, axis=0))
    reader = filled(opensearch, tied, document("best", "alpha alpha", vectors=unit(1, 5)))
    expected = sorted(passage.id for passage in tied.passages)[:30]
    assert [p.id for p in knn(reader, same[0], 30).passages] == expected
    assert [p.id for p in bm25(reader, "alpha", 31).passages] == ["best:1:0", *expected]


def test_the_wrong_dimension_is_a_bug(opensearch: Address) -> None:
    reader = filled(opensearch, document("d", "alpha"))
    with pytest.raises(ValueError, match="dimensions"):
        reader.search([Dense([0.1] * (DIMENSION + 1))], 3, ["a"])


def test_a_switch_is_followed_and_a_dropped_version_is_not_missed(opensearch: Address) -> None:
    reader = filled(opensearch, document("d", "alpha"))
    cluster, old = Cluster(opensearch), reader.version
    new = begin(cluster, META, Form())
    _writer(cluster).write([document("d", "alpha"), document("e", "alpha")])
    promote(cluster, new)
    _drop(cluster, old)
    assert sorted(found(bm25(reader, "alpha"))) == ["d", "e"]
    assert reader.version == new
    assert reader.token_codes(["e:1:0"])[0] is not None


def test_token_codes_of_a_dropped_version_come_from_the_new_one(opensearch: Address) -> None:
    reader = filled(opensearch, document("d", "alpha"))
    cluster, old = Cluster(opensearch), reader.version
    promote(cluster, begin(cluster, META, Form()))
    _writer(cluster).write([document("d", "alpha"), document("e", "alpha")])
    _drop(cluster, old)
    codes = reader.token_codes(["e:1:0", "nothing", "d:1:0", "e:1:0"])
    assert [of is None for of in codes] == [False, True, False, False]


def test_an_index_of_another_encoder_is_refused(opensearch: Address) -> None:
    filled(opensearch, document("d", "alpha"))
    other = _reader(Cluster(opensearch), replace(META, encoder="another"))
    for ask in (lambda: other.version, lambda: other.search([Lexical("alpha")], 3, ["a"])):
        with pytest.raises(IndexUnavailable, match="reindex"):
            ask()


def test_nothing_there_yet_is_said(opensearch: Address) -> None:
    with pytest.raises(IndexUnavailable, match="no index"):
        _reader(Cluster(opensearch), META).search([Lexical("alpha")], 3, ["a"])


# --- When the cluster refuses -----------------------------------------------------------------------------


@pytest.fixture
def proxy() -> Iterator[tuple[Proxy, opensearch.OpenSearchReader, Address]]:
    for address in fresh_index():
        filled(address, document("d", "alpha"), document("e", "beta"))
        with Proxy(address.urls[0]) as running:
            broken = Cluster(replace(address, urls=(running.url,), timeout_s=2.0))
            yield running, _reader(broken, META), address


@pytest.mark.opensearch
def test_a_question_with_too_many_words_is_shortened(proxy) -> None:  # type: ignore[no-untyped-def]
    running, reader, _ = proxy
    assert reader.version
    refused = faults.refused_search("bm25", status=400, kind="too_many_nested_clauses")
    with running.broken(refused, "_msearch", times=2):
        words, meaning = reader.search([Lexical("alpha beta"), Dense(unit(1)[0])], 3, ["a"])
    assert words.error is None and sorted(found(words.ranking)) == ["d", "e"] and meaning.ranking
    with running.broken(refused, "_msearch"):
        words, meaning = reader.search([Lexical("alpha beta"), Dense(unit(1)[0])], 3, ["a"])
    assert "too_many_nested_clauses" in str(words.error) and meaning.ranking


@pytest.mark.opensearch
def test_each_is_asked_alone_where_the_cluster_refuses_them_together(proxy) -> None:  # type: ignore[no-untyped-def]
    running, reader, _ = proxy
    assert reader.version

    def together(exchange) -> None:  # type: ignore[no-untyped-def]
        if exchange.request.body.count(b"\n") > 2:
            faults._error(400, "action_request_validation_exception", "no")(exchange)
        else:
            exchange.send(exchange.forward())

    with running.broken(together, "_msearch"):
        legs = reader.search([Lexical("alpha"), Dense(unit(1)[0])], 3, ["a"])
    assert [len(leg.ranking) for leg in legs if leg.ranking] == [1, 2]


@pytest.mark.opensearch
def test_what_is_known_outlives_a_hiccup_of_the_lookups(proxy) -> None:  # type: ignore[no-untyped-def]
    running, reader, address = proxy
    assert reader.count(["a"]) == 2
    time.sleep(1.1)
    prefix = f"/{address.prefix}"
    with running.broken(faults.broken(), prefix):  # all that is no _msearch
        assert reader.count(["a"]) == 2
        legs = reader.search([Lexical("alpha"), Dense(unit(1)[0])], 3, ["a", "new"])
    assert [len(leg.ranking) for leg in legs if leg.ranking] == [1, 2]
    assert "added lately" in legs[0].partial and not legs[1].partial


def _writer(cluster: Cluster) -> opensearch.OpenSearchWriter:
    return opensearch.open_writer(cluster, META)


def _reader(cluster: Cluster, meta: Meta) -> opensearch.OpenSearchReader:
    return opensearch.open_reader(cluster, meta)


def _drop(cluster: Cluster, name: str) -> None:
    drop(cluster, name)
    assert name not in {version.name for version in versions(cluster)}


@pytest.mark.opensearch
def test_a_whole_retrieval_ends_in_time_when_the_cluster_hangs(proxy) -> None:  # type: ignore[no-untyped-def]
    """Version, count and search one after the other, as a question asks them, with old answers at hand."""
    running, reader, _ = proxy
    assert reader.count(["a"]) == 2
    time.sleep(1.1)
    with running.broken(faults.hang()):
        began = time.monotonic()
        assert reader.version and reader.count(["a"]) == 2
        with pytest.raises(IndexUnavailable, match="in time"):
            reader.search([Lexical("alpha"), Dense(unit(1)[0])], 3, ["a"])
        assert time.monotonic() - began < 2.0 + 0.3
