"""What is done with each item of a bulk request, by scripted answers that a real cluster gives in need."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from opensearchpy.exceptions import ConnectionError, RequestError, SerializationError, TransportError

from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index.opensearch import Address, Cluster, bulk, layout
from rag.index.opensearch.bulk import Item, removing, send, writing

INDEX = "sieve-passages-0001"


class Script:
    """Takes the place of the client: answers each request with the next step, and with success after."""

    def __init__(self, *steps: Callable[[list[dict[str, Any]]], Any]) -> None:
        self.steps = list(steps)
        self.requests: list[list[str]] = []

    def bulk(self, body: bytes, params: dict[str, Any]) -> Any:
        lines = [msgspec.json.decode(line) for line in body.splitlines()]
        actions = [line for line in lines if line.keys() & {"index", "delete", "update"}]
        self.requests.append([of["_id"] for action in actions for of in action.values()])
        items = [
            {op: {"_index": INDEX, "_id": of["_id"], "status": 404 if op == "update" else 201}}
            for action in actions
            for op, of in action.items()
        ]
        step = self.steps.pop(0) if self.steps else lambda items: {"errors": False, "items": items}
        return step(items)


def at(script: Script, seconds: float = 5.0) -> Cluster:
    cluster = Cluster(Address(urls=("http://127.0.0.1:9",), bulk_timeout_s=seconds))
    cluster._connected = (cluster._connected[0], script)  # type: ignore[assignment]
    return cluster


def items(count: int, size: int = 10) -> list[Item]:
    return [writing(INDEX, f"d:1:{n}", b'{"text":"%s"}' % (b"x" * size)) for n in range(count)]


def ends(outcomes: list[bulk.Outcome]) -> dict[str, str]:
    return {outcome.item.id: outcome.end for outcome in outcomes}


def fails(status: int, kind: str = "", place: int = 0) -> Callable[[list[dict[str, Any]]], Any]:
    """The item at this place ends so."""

    def step(items: list[dict[str, Any]]) -> Any:
        (said,) = items[place].values()
        said |= {"status": status, "error": {"type": kind}}
        return {"errors": True, "items": items}

    return step


def raises(error: Exception) -> Callable[[list[dict[str, Any]]], Any]:
    def step(_: list[dict[str, Any]]) -> Any:
        raise error

    return step


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted and not made."""
    pauses: list[float] = []
    monkeypatch.setattr("rag.index.opensearch.bulk.time.sleep", pauses.append)
    return pauses


@pytest.mark.parametrize(
    "step",
    [
        fails(429, "rejected_execution_exception"),
        fails(503, "unavailable_shards_exception"),
        fails(500),
        fails(409, "version_conflict_engine_exception"),
        raises(TransportError(429, "circuit_breaking_exception", {})),
        raises(TransportError(503, "", {})),
        raises(ConnectionError("N/A", "reset", Exception())),
        raises(SerializationError("<html>", Exception())),
        lambda items: {"errors": False, "items": items[1:]},
        lambda items: {"errors": False, "items": [None, 7, {"index": "x"}, *items[1:]]},
        lambda items: {"items": None},
        lambda items: [],
    ],
)
def test_what_may_pass_is_sent_again(step: Callable, in_no_time: list[float]) -> None:
    script = Script(step)
    assert ends(send(at(script), items(3))) == dict.fromkeys(("d:1:0", "d:1:1", "d:1:2"), "created")
    assert len(script.requests) == 2 and "d:1:0" in script.requests[1]
    assert len(in_no_time) == 1 and 0.05 <= in_no_time[0] <= 0.1


def test_only_what_failed_is_sent_again() -> None:
    script = Script(fails(429, place=1))
    send(at(script), items(3))
    assert script.requests == [["d:1:0", "d:1:1", "d:1:2"], ["d:1:1"]]


def test_answers_in_another_order_belong_to_their_items() -> None:
    def mixed(items: list[dict[str, Any]]) -> Any:
        fails(400, "mapper_parsing_exception", 0)(items)
        random.Random(1).shuffle(items)
        return {"errors": True, "items": items}

    outcomes = send(at(Script(mixed)), items(5))
    assert [o.item.id for o in outcomes if o.end == "refused"] == ["d:1:0"] and len(outcomes) == 5
    assert next(o.kind for o in outcomes if o.end == "refused") == "mapper_parsing_exception"


@pytest.mark.parametrize("status", [400, 413])
def test_a_request_that_is_too_large_is_halved_down_to_the_item(status: int) -> None:
    def limited(items: list[dict[str, Any]]) -> Any:
        if any(next(iter(of.values()))["_id"] == "d:1:5" for of in items):
            raise RequestError(status, "too_large", {})
        return {"errors": False, "items": items}

    script = Script(*[limited] * 40)
    found = ends(send(at(script), items(16)))
    assert [pid for pid, end in found.items() if end == "refused"] == ["d:1:5"] and len(found) == 16


def test_pauses_grow_chunks_shrink_and_at_last_it_is_over(
    in_no_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("rag.index.opensearch.bulk.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(
        "rag.index.opensearch.bulk.time.sleep",
        lambda s: (in_no_time.append(s), clock.__setitem__(0, clock[0] + s)),
    )
    script = Script(*[raises(TransportError(429, "", {}))] * 1000)
    with pytest.raises(IndexUnavailable, match="overloaded"):
        send(at(script, 60.0), items(100, 100_000))
    assert 50 < clock[0] <= 60
    assert in_no_time[3] > in_no_time[0] and max(in_no_time) <= 5.0
    sizes = [len(request) for request in script.requests]
    assert sizes[0] == 49 and sizes[1] == 24 and sizes[-1] == 1


def test_progress_gives_new_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("rag.index.opensearch.bulk.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(
        "rag.index.opensearch.bulk.time.sleep", lambda s: clock.__setitem__(0, clock[0] + 40 + s)
    )
    monkeypatch.setattr(bulk, "CHUNK_ITEMS", 2)
    script = Script(*[fails(429, place=1)] * 4)
    assert len(send(at(script, 60.0), items(6))) == 6
    assert clock[0] > 120


def test_an_item_that_breaks_the_cluster_is_at_fault() -> None:
    script = Script(*[fails(500, "null_pointer_exception")] * 9)
    found = ends(send(at(script), items(2)))
    assert found == {"d:1:0": "refused", "d:1:1": "created"}


def test_conflicts_and_lost_indices_have_their_ends() -> None:
    script = Script(*[fails(409)] * 3)
    assert ends(send(at(script), items(2))) == {"d:1:0": "conflict", "d:1:1": "created"}
    assert ends(send(at(Script(fails(404, "index_not_found_exception"))), items(1))) == {"d:1:0": "gone"}
    gone = Script(fails(404, place=1))
    assert ends(send(at(gone), [removing(INDEX, "d:1:0", layout.REMOVED)])) == {"d:1:0": "done"}


@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        (fails(400, "strict_dynamic_mapping_exception"), IndexCorrupt, "other fields than ours"),
        (fails(403, "cluster_block_exception"), IndexUnavailable, "does not take writes"),
        (raises(TransportError(401, "", {})), IndexUnavailable, "401"),
    ],
)
def test_what_waiting_does_not_mend_is_said_at_once(step: Callable, error: type, said: str) -> None:
    script = Script(step)
    with pytest.raises(error, match=said):
        send(at(script), items(2))
    assert len(script.requests) == 1


def test_deletions_bring_a_guard_along() -> None:
    script = Script()
    send(at(script), [removing(INDEX, "d:1:0", layout.REMOVED), writing(INDEX, "d:1:7", b"{}")])
    assert script.requests[0][0] == "-"
    script = Script()
    send(at(script), items(1))
    assert script.requests == [["d:1:0"]]
