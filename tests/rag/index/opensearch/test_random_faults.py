"""Any number of faults in any order, against a model of what must be in the cluster."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rag.index import opensearch
from rag.index.base import EncodedPassages
from rag.index.opensearch import Address, Cluster
from tests.contracts.index import ALL, document
from tests.faults import bulk, kinds
from tests.faults.bulk import each_in_turn, mixed
from tests.faults.index import META, check_found, fresh_index, held, of, through, until_done
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.opensearch

BULK_S = 1.0
OPERATIONS = 120
ITEMS = (
    mixed(each_in_turn(None, 429)),
    mixed(each_in_turn(429)),
    mixed(each_in_turn(503, None, 429)),
    mixed(each_in_turn(503, None), done=True),
    bulk.items_missing(1),
    bulk.quiet_errors(),
)


@pytest.fixture
def place() -> Iterator[Address]:
    yield from fresh_index()


@pytest.fixture
def proxy(place: Address) -> Iterator[Proxy]:
    with Proxy(place.urls[0]) as running:
        yield running


def _schedule(proxy: Proxy, draw: random.Random) -> None:
    """Each request that changes something meets a fault with the chance of one in three."""
    quick = 0.4 * BULK_S
    for fault in [
        *(kinds.breaker(), kinds.rejected(), kinds.broken(), kinds.gateway(), kinds.unavailable()),
        *(kinds.reset_before(), kinds.reset_within(), kinds.reset_after(), kinds.truncated()),
        *(kinds.late_answer(quick), kinds.late_request(quick), kinds.wrong_json(), kinds.hang(quick)),
    ]:
        proxy.on(fault, "_bulk|_by_query|_refresh", share=0.02, draw=draw)
        proxy.on(fault, share=0.005, draw=draw)
    for fault in ITEMS:
        proxy.on(fault, "_bulk", share=0.03, draw=draw)
    # Never 400: it would say that a document is at fault.


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_any_number_of_faults_in_any_order(place: Address, proxy: Proxy, seed: int) -> None:
    """Three writers in turn over many operations, against a model of what must be there."""
    draw = random.Random(seed)
    writers = [
        opensearch.open_writer(through(proxy, place, 0.3 * BULK_S, bulk_timeout_s=0.3 * BULK_S), META)
        for _ in range(3)
    ]
    _schedule(proxy, random.Random(seed + 100))
    model: dict[str, EncodedPassages] = {}
    fences: dict[str, int] = {}
    made = 0
    for step in range(OPERATIONS):
        writer = draw.choice(writers)
        if not model or draw.random() < 0.4:  # new documents, some together
            fresh = []
            for _ in range(draw.randint(1, 4)):
                made += 1
                texts = [f"alpha n{made} p{place}" for place in range(draw.randint(1, 5))]
                fresh.append(document(f"n{made}", *texts, collection=draw.choice(ALL)))
            until_done(lambda w=writer, f=fresh: w.write(f))
            for one in fresh:
                model[one.document_id], fences[one.document_id] = one, 1
        elif draw.random() < 0.6:  # a new version in the place of the old one
            name = draw.choice(sorted(model))
            fences[name] += draw.randint(1, 2)
            texts = [f"beta {name} v{fences[name]}"] * draw.randint(1, 5)
            newer = document(name, *texts, version=fences[name], collection=draw.choice(ALL))
            until_done(lambda w=writer, d=newer: w.write([d]))
            old, model[name] = model[name], newer
            writer = draw.choice(writers)
            until_done(lambda w=writer, n=name, v=old.version: w.delete(n, version=v))
        else:
            gone = draw.sample(sorted(model), min(len(model), draw.randint(1, 3)))
            until_done(lambda w=writer, g=gone: w.delete_many([(name, None) for name in g]))
            for name in gone:
                del model[name]
        if step % 25 == 24:
            assert held(place) == of(list(model.values())), step
    proxy.clear()
    time.sleep(BULK_S)  # the last late ones come
    assert held(place) == of(list(model.values()))
    check_found(place, list(model.values())[:20])
    report = opensearch.verify(Cluster(replace(place, timeout_s=20.0)), META)
    assert report.problems == () and report.documents == len(model)
