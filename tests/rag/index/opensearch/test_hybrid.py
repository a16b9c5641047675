"""The cluster's fusion, held against `rag.fuse`; and what is refused of it."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rag.fuse import fuse
from rag.index import opensearch as engine
from rag.index.opensearch import Cluster, Form, Meta, OpenSearchReader, hybrid
from rag.index.opensearch.cluster import PLUGINS, Able
from rag.types import Dense, Hybrid, Lexical, Ranking
from tests.contracts.index import ALL, DIMENSION, FINGERPRINT, document, unit
from tests.faults import kinds
from tests.faults.proxy import Proxy
from tests.opensearch import VERSIONS, Server, fresh, running

META = Meta(encoder=FINGERPRINT, dimension=DIMENSION)
FLOOR = 0.001
"""What the cluster gives instead of 0 to the last passage of a leg."""
ROUNDED = 0.002
"""Ours are rounded to four decimals before they are stretched."""
WEIGHTS = {"bm25": 0.3, "knn": 0.7}
MEANING = unit(1, 77)[0]
TEXT = "alpha beta gamma"


def documents() -> Iterator:  # type: ignore[type-arg]
    """No two tie in a leg: lengths and frequencies differ, and vectors do anyway."""
    vectors = unit(60, 3)
    for n in range(60):
        words = [*["alpha"] * (n % 7), *["beta"] * (n % 5), *["gamma"] * (n % 3), *["filler"] * (n + 1)]
        yield document(f"d{n:02}", " ".join(words), vectors=vectors[n : n + 1], collection="abc"[n % 3])


@pytest.fixture(scope="module", params=VERSIONS)
def opensearch_server(request: pytest.FixtureRequest) -> Server:
    return running(request.param)


@pytest.fixture(scope="module")
def reader(opensearch_server: Server) -> Iterator[OpenSearchReader]:
    """Of an index that is only read."""
    for address in fresh(opensearch_server):
        cluster = Cluster(replace(address, timeout_s=20.0))
        engine.create(cluster, META, Form())
        engine.open_writer(cluster, META).write(documents())
        yield engine.open_reader(cluster, META)


def both(reader: OpenSearchReader, method: str, k: int, text: str = TEXT) -> tuple[Ranking, Ranking]:
    """Ours and the cluster's."""
    fused = Hybrid(text, MEANING, method, WEIGHTS["bm25"], WEIGHTS["knn"])  # type: ignore[arg-type]
    legs = reader.search([Lexical(text), Dense(MEANING), fused], k, ALL[:2])
    assert not [leg.error for leg in legs if leg.error]
    words, meaning, theirs = (leg.ranking for leg in legs)
    assert words is not None and meaning is not None and theirs is not None
    assert theirs.stage == "fused" and {p.collection for p in theirs.passages} <= set(ALL[:2])
    return fuse([words, meaning], method, WEIGHTS), theirs


def near(ours: Ranking, theirs: Ranking, within: float) -> None:
    assert ours.scores().keys() == theirs.scores().keys()
    assert theirs.scores() == pytest.approx(ours.scores(), abs=within)


@pytest.mark.parametrize("k", [1, 7, 100])
@pytest.mark.parametrize("text", [TEXT, "alpha", "unheard", "?!"])
def test_rrf_gives_the_same_ranking(reader: OpenSearchReader, k: int, text: str) -> None:
    ours, theirs = both(reader, "rrf", k, text)
    near(ours, theirs, 1e-7)
    exactly = {p: round(score, 6) for p, score in ours.scores().items()}
    for rank, (mine, other) in enumerate(zip(ours.passages, theirs.passages, strict=True), start=1):
        assert mine == other or exactly[mine.id] == exactly[other.id], rank


@pytest.mark.parametrize("k", [7, 100])
@pytest.mark.parametrize("text", [TEXT, "alpha"])
def test_minmax_gives_the_same_but_for_the_last_of_a_leg(reader: OpenSearchReader, k: int, text: str) -> None:
    ours, theirs = both(reader, "minmax", k, text)
    near(ours, theirs, FLOOR + ROUNDED)
    mine = ours.scores()
    order = [mine[p] for p in theirs.scores()]
    for higher, lower in itertools.pairwise(order):
        assert higher >= lower - 2 * (FLOOR + ROUNDED)


def test_zscore_of_the_cluster_is_another_one(reader: OpenSearchReader) -> None:
    """It forgets the order of all that is below a leg's mean: a reason not to use it, written down here."""
    if reader._cluster.release < (3,):
        pytest.skip("there is no z_score before 3.0")
    ours, theirs = both(reader, "zscore", 100)
    assert ours.scores().keys() == theirs.scores().keys()
    worst = min(theirs.scores().values())
    tied = [p for p, score in theirs.scores().items() if score == worst]
    assert worst == pytest.approx(FLOOR, abs=1e-4) and len(tied) > 2
    assert len({ours.scores()[p] for p in tied}) > 2
    best = [ranking.passages[0].id for ranking in (ours, theirs)]
    assert best[0] == best[1]


def test_what_stands_before_the_fusion_still_comes(reader: OpenSearchReader) -> None:
    """A fusion that fails takes no leg with it."""
    with Proxy(reader._cluster.address.urls[0]) as proxy:
        through = engine.open_reader(Cluster(replace(reader._cluster.address, urls=(proxy.url,))), META)

        def marks(exchange) -> None:  # type: ignore[no-untyped-def]
            """The search pipeline is not honoured."""
            body = exchange.request.body
            at = body.index(b',"search_pipeline":')
            exchange.send(exchange.forward(body[:at] + b"}\n"))

        wanted = [Lexical(TEXT), Dense(MEANING), Hybrid(TEXT, MEANING, "rrf", 0.5, 0.5)]
        with proxy.broken(marks, "_msearch"):
            words, meaning, fused = through.search(wanted, 10, ALL)
        assert words.ranking and meaning.ranking
        assert fused.ranking is None and "scores that cannot be used" in str(fused.error)
        with proxy.broken(kinds.refused_search(status=400), "_msearch", times=0):
            assert all(leg.ranking for leg in through.search(wanted, 10, ALL))


ABLE = Able((3, 6, 0), frozenset(PLUGINS))


@pytest.mark.parametrize(
    ("able", "method", "says"),
    [
        (ABLE, "rrf", ""),
        (ABLE, "zscore", ""),
        (Able((2, 19, 1), ABLE.abilities), "rrf", ""),
        (Able((2, 19, 1), ABLE.abilities), "minmax", ""),
        (Able((2, 19, 1), ABLE.abilities), "zscore", "version 2.19.1; to fuse by zscore it needs 3.0"),
        (Able((2, 17, 0), ABLE.abilities), "rrf", "needs 2.19"),
        (Able((3, 6, 0), frozenset({"knn"})), "rrf", "opensearch-neural-search"),
    ],
)
def test_what_a_cluster_cannot_do_is_said_before_it_is_asked(able: Able, method: str, says: str) -> None:
    objection = hybrid.objection(able, method, 0.5, 0.5)  # type: ignore[arg-type]
    assert says in objection and bool(objection) == bool(says)


def test_no_weight_at_all_is_refused_where_weights_count() -> None:
    assert hybrid.objection(ABLE, "minmax", 0.0, 0.0)
    assert not hybrid.objection(ABLE, "rrf", 0.0, 0.0)
