"""What is said of a search when the cluster or the way to it breaks.

A real OpenSearch stands behind `tests.faults`. The laws: a search ends inside its deadline; an answer
that may lack something says so, and one that says nothing is the same as without the fault.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from rag.errors import IndexUnavailable
from rag.index import opensearch
from rag.index.base import Leg
from rag.index.opensearch import Address, Cluster, OpenSearchReader
from rag.types import Dense, Lexical
from tests.contracts.index import ALL, document, unit
from tests.faults import kinds
from tests.faults.index import META, fresh_index, named, through
from tests.faults.proxy import Fault, Proxy, deaf

pytestmark = pytest.mark.opensearch

DEADLINE_S = 1.0
SLACK_S = 0.5
"""For a machine that does other things, too. Times as such are measured by benchmarks."""
WORDS = Lexical("harbour alpha")
MEANING = Dense(unit(1, 77)[0])
DOCUMENTS = [document(f"d{n}", "alpha harbour", f"beta pier {n}", collection="abc"[n % 3]) for n in range(20)]


@pytest.fixture(scope="module")
def held() -> Iterator[Address]:
    """An index that holds `DOCUMENTS` and is only read."""
    for address in fresh_index():
        cluster = Cluster(address)
        opensearch.open_writer(cluster, META).write(DOCUMENTS)
        yield address


@pytest.fixture
def proxy(held: Address) -> Iterator[Proxy]:
    with Proxy(held.urls[0]) as running:
        yield running


# --- Searches ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What a search said of itself."""

    mode: str
    """whole, partial, words, meaning or down"""
    sentences: tuple[str, ...]
    elapsed_s: float
    legs: tuple[Leg, ...] = ()


def search(reader: OpenSearchReader) -> Told:
    began = time.monotonic()
    try:
        legs = reader.search([WORDS, MEANING], 15, ALL)
    except IndexUnavailable as error:
        return Told("down", (str(error),), time.monotonic() - began)
    elapsed = time.monotonic() - began
    by_words, by_meaning = (leg.ranking is not None for leg in legs)
    said = tuple(str(leg.error) for leg in legs if leg.error) + tuple(
        leg.partial for leg in legs if leg.partial
    )
    if by_words and by_meaning:
        mode = "partial" if any(leg.partial for leg in legs) else "whole"
    else:
        mode = "words" if by_words else "meaning" if by_meaning else "down"
    return Told(mode, said, elapsed, legs)


def reader_of(cluster: Cluster) -> OpenSearchReader:
    return opensearch.open_reader(cluster, META)


def check(reader: OpenSearchReader, modes: set[str], whole: Told) -> None:
    """The laws of every search, and its mode. A machine that is busy may lose one or two by itself."""
    for _ in range(3):
        told = search(reader)
        _check_laws(told, whole)
        if told.mode in modes:
            return
    raise AssertionError(told)


def _check_laws(told: Told, whole: Told) -> None:
    assert told.elapsed_s <= DEADLINE_S + SLACK_S, told
    assert all(told.sentences) and bool(told.sentences) == (told.mode != "whole"), told
    everything = {p.id for d in DOCUMENTS for p in d.passages}
    for leg, full in zip(told.legs, whole.legs, strict=False):
        assert (leg.ranking is None) == (leg.error is not None)
        if leg.ranking is not None and leg.partial:
            assert {p.id for p in leg.ranking.passages} <= everything
        elif leg.ranking is not None:
            assert leg.ranking == full.ranking


@pytest.fixture
def whole(held: Address) -> Told:
    told = search(reader_of(Cluster(held)))
    assert told.mode == "whole" and all(leg.ranking and len(leg.ranking) for leg in told.legs)
    return told


LASTING: dict[str, tuple[Callable[[], Fault], set[str]]] = {
    # the whole answer is lost
    "429 breaker": (kinds.breaker, {"down"}),
    "429 rejected": (kinds.rejected, {"down"}),
    "500": (kinds.broken, {"down"}),
    "502 html": (kinds.gateway, {"down"}),
    "503": (kinds.unavailable, {"down"}),
    "503 no shards": (kinds.no_shards, {"down"}),
    "200 html": (kinds.login_page, {"down"}),
    "hang": (kinds.hang, {"down"}),
    "drip": (kinds.drip, {"down"}),
    "late": (lambda: kinds.late_answer(5.0), {"down"}),
    "reset before": (kinds.reset_before, {"down"}),
    "reset within": (kinds.reset_within, {"down"}),
    "reset after": (kinds.reset_after, {"down"}),
    "truncated": (kinds.truncated, {"down"}),
    "wrong json": (kinds.wrong_json, {"down"}),
    "json of another kind": (lambda: kinds.wrong_json(b"[1, 2]"), {"down"}),
    "json of nothing": (lambda: kinds.wrong_json(b"null"), {"down"}),
    "responses of another kind": (lambda: kinds.wrong_json(b'{"responses": [1, null]}'), {"down"}),
    # one leg, or a part of it, is lost
    "error in bm25": (lambda: kinds.refused_search("bm25"), {"meaning"}),
    "error in knn": (lambda: kinds.refused_search("knn"), {"words"}),
    "429 in knn": (
        lambda: kinds.refused_search("knn", status=429, kind="circuit_breaking_exception"),
        {"words"},
    ),
    "error in both": (lambda: kinds.refused_search(), {"down"}),
    "one answer missing": (kinds.fewer_answers, {"words", "down"}),
    "timed out": (lambda: kinds.timed_out(keep=3), {"partial"}),
    "timed out in bm25": (lambda: kinds.timed_out("bm25", keep=3), {"partial"}),
    "timed out, nothing found": (lambda: kinds.timed_out("knn", keep=0), {"partial", "words"}),
    "timed out in both, nothing found": (lambda: kinds.timed_out(keep=0), {"partial", "down"}),
    "a shard failed": (lambda: kinds.shards("knn", keep=3), {"partial"}),
    "a shard says nothing": (lambda: kinds.shards("bm25", failed=0, keep=3), {"partial"}),
    "no shard answered": (lambda: kinds.shards("knn", failed=5, successful=0, keep=0), {"partial", "words"}),
    "no shard answered at all": (lambda: kinds.shards(failed=5, successful=0, keep=0), {"partial", "down"}),
    "sentinel scores in knn": (lambda: kinds.sentinel_scores("knn"), {"words"}),
    "sentinel scores in bm25": (lambda: kinds.sentinel_scores("bm25"), {"meaning"}),
    "a hit that is no passage": (lambda: kinds.strange_hits("bm25"), {"meaning", "down"}),
    "hits without a score": (
        lambda: kinds.strange_hits("knn", hit={"_id": "x", "_score": None, "_source": {}}),
        {"words", "down"},
    ),
}


SLOW = frozenset({"502 html", "500", "late", "json of nothing", "reset after", "truncated", "200 html"})
"""They end as others do that are quicker or the same."""


@pytest.mark.parametrize("name", [named(name, slow=name in SLOW) for name in LASTING])
def test_what_a_search_lacks_is_said(held: Address, proxy: Proxy, whole: Told, name: str) -> None:
    make, modes = LASTING[name]
    reader = reader_of(through(proxy, held, DEADLINE_S))
    check(reader, {"whole"}, whole)
    with proxy.broken(make(), "_search|_msearch"):
        check(reader, modes, whole)


ONCE: dict[str, Callable[[], Fault]] = {
    "429": kinds.rejected,
    "502 html": kinds.gateway,
    "503": kinds.unavailable,
    "reset before": kinds.reset_before,
    "reset after": kinds.reset_after,
    "reset within": kinds.reset_within,
    "error in knn": lambda: kinds.refused_search("knn"),
    "429 in bm25": lambda: kinds.refused_search("bm25", status=429, kind="rejected_execution_exception"),
}


@pytest.mark.parametrize("name", ONCE)
def test_one_hiccup_is_not_seen_or_is_said(held: Address, proxy: Proxy, whole: Told, name: str) -> None:
    reader = reader_of(through(proxy, held, DEADLINE_S))
    check(reader, {"whole"}, whole)
    with proxy.broken(ONCE[name](), "_msearch", times=1):
        check(reader, {"whole", "down", "words", "meaning"}, whole)
    time.sleep(0.05)
    check(reader, {"whole"}, whole)


@pytest.mark.parametrize(
    "name",
    ["hang", *(named(name, slow=True) for name in ("drip", "late", "503", "reset before", "truncated"))],
)
def test_a_reader_that_finds_everything_broken_says_so_in_time(
    held: Address, proxy: Proxy, whole: Told, name: str
) -> None:
    with proxy.broken(LASTING[name][0]()):
        check(reader_of(through(proxy, held, DEADLINE_S)), {"down"}, whole)


def test_slow_steps_share_one_deadline(held: Address, proxy: Proxy, whole: Told) -> None:
    proxy.on(kinds.hang(), "_msearch")
    proxy.on(kinds.late_answer(0.8 * DEADLINE_S))
    check(reader_of(through(proxy, held, DEADLINE_S)), {"down"}, whole)


def test_retries_share_one_deadline(held: Address, proxy: Proxy, whole: Told) -> None:
    reader = reader_of(through(proxy, held, DEADLINE_S))
    search(reader)

    def slowly(exchange: object) -> None:
        exchange.wait(0.6 * DEADLINE_S)  # type: ignore[attr-defined]
        kinds.unavailable()(exchange)  # type: ignore[arg-type]

    with proxy.broken(slowly, "_msearch"):
        check(reader, {"down"}, whole)


def test_a_host_that_does_not_even_refuse(held: Address, whole: Told) -> None:
    with deaf() as url:
        reader = reader_of(Cluster(replace(held, urls=(url,), timeout_s=DEADLINE_S)))
        check(reader, {"down"}, whole)


def test_it_is_whole_again_once_the_fault_ends(held: Address, proxy: Proxy, whole: Told) -> None:
    reader = reader_of(through(proxy, held, DEADLINE_S))
    with proxy.broken(kinds.reset_before()):
        check(reader, {"down"}, whole)
    time.sleep(0.5)
    check(reader, {"whole"}, whole)


INCOMPLETE: dict[str, Fault] = {
    "timed out": kinds.timed_out(keep=0),
    "a shard failed": kinds.shards(keep=0),
    "a shard says nothing": kinds.shards(failed=0, keep=0),
    "truncated": kinds.truncated(),
    "wrong json": kinds.wrong_json(),
    "503": kinds.unavailable(),
    "hang": kinds.hang(),
}


@pytest.mark.parametrize("name", [named(name, slow=name in SLOW) for name in INCOMPLETE])
def test_what_was_not_looked_at_is_never_said_to_be_absent(held: Address, proxy: Proxy, name: str) -> None:
    """Token codes, and the list that a sweep and `verify` go by: whole or an error."""
    reader = reader_of(through(proxy, held, DEADLINE_S))
    wanted = [f"{d.document_id}:1:0" for d in DOCUMENTS[:3]]
    assert all(reader.token_codes(wanted))
    assert len(reader.documents()) == len(DOCUMENTS)
    with proxy.broken(INCOMPLETE[name], "_search|_msearch|_mget"):
        with pytest.raises(IndexUnavailable):
            reader.token_codes(wanted)
        with pytest.raises(IndexUnavailable):
            reader.documents()
