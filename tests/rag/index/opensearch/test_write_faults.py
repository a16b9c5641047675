"""What becomes of writes and deletes when the cluster or the way to it breaks.

A real OpenSearch stands behind `tests.faults`. The laws: what a call says that it did is done and can be
found; what it could not do it raises; done again until it returns, exactly what was written and not
deleted is there, whatever was carried out unseen or came late.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from rag.errors import IndexCorrupt, IndexUnavailable, PassagesRefused
from rag.index import opensearch
from rag.index.opensearch import Address, Cluster, OpenSearchWriter
from tests.contracts.index import document
from tests.faults import bulk, kinds
from tests.faults.bulk import each_in_turn, mixed
from tests.faults.index import META, check_found, fresh_index, held, named, of, some, through, until_done
from tests.faults.proxy import Fault, Proxy

pytestmark = pytest.mark.opensearch

BULK_S = 1.0
"""Longest that one request of a writer takes."""
GIVES_UP_S = 20 * BULK_S
"""By then a writer has said that it cannot."""


@pytest.fixture
def place() -> Iterator[Address]:
    yield from fresh_index()


@pytest.fixture
def proxy(place: Address) -> Iterator[Proxy]:
    with Proxy(place.urls[0]) as running:
        yield running


@pytest.fixture
def writer(proxy: Proxy, place: Address) -> OpenSearchWriter:
    return opensearch.open_writer(through(proxy, place, BULK_S, bulk_timeout_s=BULK_S), META)


# --- Faults that end ---------------------------------------------------------------------------------------

FAULTS: dict[str, Callable[[], Fault]] = {
    "429 breaker": kinds.breaker,
    "429 rejected": kinds.rejected,
    "500": kinds.broken,
    "502 html": kinds.gateway,
    "503": kinds.unavailable,
    "200 html": kinds.login_page,
    "hang": kinds.hang,
    "drip": lambda: kinds.drip(0.2),
    "reset before": kinds.reset_before,
    "reset within": kinds.reset_within,
    "reset after": kinds.reset_after,
    "answer late": lambda: kinds.late_answer(1.5 * BULK_S),
    "request late": lambda: kinds.late_request(1.5 * BULK_S),
    "truncated": kinds.truncated,
    "wrong json": kinds.wrong_json,
    "json of nothing": lambda: kinds.wrong_json(b"null"),
}
ITEMS: dict[str, Callable[[], Fault]] = {
    "items of 429": lambda: mixed(each_in_turn(None, 429)),
    "all items 429": lambda: mixed(each_in_turn(429)),
    "items of 429 and 503": lambda: mixed(each_in_turn(503, None, 429)),
    "items of 409 that are not there": lambda: mixed(each_in_turn(None, 409)),
    "items refused and carried out": lambda: mixed(each_in_turn(503, None), done=True),
    "items missing": lambda: bulk.items_missing(1),
    "no items": lambda: bulk.items_missing(0),
    "items refused quietly": bulk.quiet_errors,
}


SLOW = frozenset(
    {"hang", "drip", "answer late", "request late", "truncated", "wrong json", "json of nothing"}
)
"""They wait for what a client gives up on; the quick ones stand for them."""


@pytest.mark.parametrize("name", [named(name, slow=name in SLOW) for name in (*FAULTS, *ITEMS)])
def test_a_write_that_returned_is_whole(
    place: Address, proxy: Proxy, writer: OpenSearchWriter, name: str
) -> None:
    documents = some()
    rule = proxy.on((FAULTS | ITEMS)[name](), "_bulk", times=2)
    until_done(lambda: writer.write(documents))
    assert rule.applied
    check_found(place, documents)
    assert held(place) == of(documents)
    proxy.clear()
    time.sleep(0.2)  # what was held up comes now
    assert held(place) == of(documents)


@pytest.mark.parametrize(
    "name", [named(name, slow=name in SLOW) for name in (*FAULTS, *ITEMS) if "carried out" not in name]
)
def test_a_delete_that_returned_is_whole(
    place: Address, proxy: Proxy, writer: OpenSearchWriter, name: str
) -> None:
    documents = some()
    until_done(lambda: writer.write([*documents, document("d0", "gamma newer", version=2)]))
    rule = proxy.on((FAULTS | ITEMS)[name](), "_bulk" if name in ITEMS else "_bulk|_by_query", times=2)
    until_done(lambda: writer.delete_many([("d0", 1), ("d1", None), ("d2", 7), ("never", None)]))
    assert rule.applied
    wanted = {("d0", 2): 1} | of(documents[2:])
    reader = opensearch.open_reader(Cluster(place), META)
    assert reader.documents() == wanted
    proxy.clear()
    time.sleep(0.2)
    assert held(place) == wanted


@pytest.mark.parametrize("path", ["_bulk", "_refresh", "passages-"])
@pytest.mark.parametrize(
    "name",
    ["503", *(named(name, slow=True) for name in ("429 rejected", "reset before", "200 html", "hang"))],
)
def test_what_cannot_be_done_is_raised(
    place: Address, proxy: Proxy, writer: OpenSearchWriter, name: str, path: str
) -> None:
    """At every step: finding the versions, writing, making visible."""
    began = time.monotonic()
    with proxy.broken(FAULTS[name](), path) as rule, pytest.raises(IndexUnavailable):
        writer.write(some())
    assert rule.applied and time.monotonic() - began < GIVES_UP_S
    until_done(lambda: writer.write(some()))
    check_found(place, some())
    assert held(place) == of(some())


@pytest.mark.parametrize("name", ["all items 429", "no items"])
def test_items_that_are_never_accepted_are_raised(
    place: Address, proxy: Proxy, writer: OpenSearchWriter, name: str
) -> None:
    with proxy.broken(ITEMS[name](), "_bulk"), pytest.raises(IndexUnavailable):
        writer.write(some())
    until_done(lambda: writer.write(some()))
    assert held(place) == of(some())


@pytest.mark.parametrize("said", [b"{}", b"null", b"[]", b'{"x": 1}'])
def test_a_writer_that_sees_no_version_does_not_take_it_for_done(
    place: Address, proxy: Proxy, writer: OpenSearchWriter, said: bytes
) -> None:
    with proxy.broken(kinds.wrong_json(said), method="GET"):
        with pytest.raises((IndexUnavailable, IndexCorrupt)):
            writer.write(some())
        with pytest.raises((IndexUnavailable, IndexCorrupt)):
            writer.delete("d0")
    until_done(lambda: writer.write(some()))
    assert held(place) == of(some())


# --- Single passages --------------------------------------------------------------------------------------


def test_a_passage_that_is_refused_costs_its_document_only(
    place: Address, proxy: Proxy, writer: OpenSearchWriter
) -> None:
    documents = some()
    proxy.on(mixed(lambda _, pid: 400 if pid == "d2:1:1" else None, writes=True), "_bulk")
    with pytest.raises(PassagesRefused) as raised:
        until_done(lambda: writer.write(documents))
    assert set(raised.value.reasons) == {"d2"} and "word2" not in raised.value.reasons["d2"]
    proxy.clear()
    others = [d for d in documents if d.document_id != "d2"]
    check_found(place, others)
    assert held(place) == of(others)


def test_refused_and_busy_at_once(place: Address, proxy: Proxy, writer: OpenSearchWriter) -> None:
    """400, 409, 429 and 503 in one answer: each is what it is."""
    documents = some()
    statuses = {"d2:1:1": 400, "d3:1:0": 429, "d3:1:1": 503, "d4:1:0": 409}
    proxy.on(mixed(lambda _, pid: statuses.get(pid), writes=True), "_bulk", times=1)
    with pytest.raises(PassagesRefused) as raised:
        until_done(lambda: writer.write(documents))
    assert set(raised.value.reasons) == {"d2"}
    assert held(place) == of([d for d in documents if d.document_id != "d2"])


# --- What comes late --------------------------------------------------------------------------------------


def test_a_late_write_brings_nothing_back(place: Address, proxy: Proxy, writer: OpenSearchWriter) -> None:
    late = proxy.on(kinds.late_request(2.5 * BULK_S), "_bulk", times=1)
    until_done(lambda: writer.write(some()))
    assert late.applied
    until_done(lambda: writer.delete_many([("d0", 1), ("d1", None)]))
    came_s = time.monotonic() + 2.5 * BULK_S + 0.5
    while time.monotonic() < came_s:
        assert held(place).keys() == of(some()[2:]).keys()
        time.sleep(0.1)


@pytest.mark.slow
def test_a_late_delete_takes_nothing_newer(place: Address, proxy: Proxy, writer: OpenSearchWriter) -> None:
    until_done(lambda: writer.write(some()))
    late = proxy.on(kinds.late_request(2.0 * BULK_S), "_bulk|_by_query", times=1)
    until_done(lambda: writer.delete("d0", version=1))
    assert late.applied
    newer = some(1, version=2)
    until_done(lambda: writer.write(newer))
    time.sleep(2.0 * BULK_S + 0.5)
    assert held(place) == of(newer) | of(some()[1:])
