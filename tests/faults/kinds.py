"""The faults, each a function of an `Exchange`. Whether the request was carried out is said of each."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from tests.faults.proxy import Answer, Exchange, Fault, Request

SENTINELS = (-9549511700.0, -4422440400.0)
"""Scores that OpenSearch gives for `hybrid` without a search pipeline, under status 200."""

# --- Answers that the request did not get to the index; it was not carried out ------------------------------


def _error(status: int, kind: str, reason: str) -> Fault:
    cause = {"type": kind, "reason": reason}
    body = {"error": {"root_cause": [cause], **cause}, "status": status}
    return says(status, json.dumps(body).encode())


def says(status: int, body: bytes, type: str = "application/json; charset=UTF-8") -> Fault:
    """This answer, whatever was asked."""
    return lambda exchange: exchange.send(Answer(status, body, type))


def breaker() -> Fault:
    return _error(429, "circuit_breaking_exception", "[parent] Data too large, data for [<http_request>]")


def rejected() -> Fault:
    return _error(429, "rejected_execution_exception", "rejected execution of coordinating operation")


def broken() -> Fault:
    return _error(500, "null_pointer_exception", "something in the cluster broke")


def unavailable() -> Fault:
    return _error(503, "cluster_manager_not_discovered_exception", "no cluster manager")


def no_shards() -> Fault:
    return _error(503, "search_phase_execution_exception", "all shards failed")


def gateway() -> Fault:
    """A load balancer that has lost its nodes."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"
    return says(502, page, "text/html")


def login_page() -> Fault:
    """Something else answers 200 at this address."""
    return says(200, b"<html><body>Sign in to the network</body></html>", "text/html")


# --- Connections ----------------------------------------------------------------------------------------


def hang(seconds: float = 60.0) -> Fault:
    """Not a byte, then the connection ends. Not carried out."""

    def fault(exchange: Exchange) -> None:
        exchange.wait(seconds)
        exchange.closed = True

    return fault


def reset_before() -> Fault:
    """The connection breaks; not carried out."""
    return lambda exchange: exchange.reset()


def reset_within() -> Fault:
    """Carried out; the connection breaks in the middle of the answer."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.write(exchange.head(answer) + answer.body[: len(answer.body) // 2])
        exchange.reset()

    return fault


def reset_after() -> Fault:
    """Carried out, and not a byte of the answer comes."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        exchange.reset()

    return fault


def drip(pause_s: float = 0.1, pieces: int = 100) -> Fault:
    """Carried out; the answer comes in so many pieces, slowly, and no pause is long."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.write(exchange.head(answer))
        step = max(1, len(answer.body) // pieces)
        for first in range(0, len(answer.body), step):
            exchange.write(answer.body[first : first + step])
            exchange.wait(pause_s)

    return fault


def late_answer(seconds: float) -> Fault:
    """Carried out at once; the answer comes when the client may have given up."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.wait(seconds)
        exchange.send(answer)

    return fault


def late_request(seconds: float) -> Fault:
    """Carried out only after this time, when the client may have given up or done something else."""

    def fault(exchange: Exchange) -> None:
        exchange.wait(seconds)
        exchange.send(exchange.forward())

    return fault


# --- Answers that say 200 and are none ---------------------------------------------------------------------


def altered(change: Callable[[Any], object]) -> Fault:
    """Carried out; `change` alters the parsed answer in place."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        parsed = json.loads(answer.body)
        change(parsed)
        exchange.send(replace(answer, body=json.dumps(parsed).encode()))

    return fault


def truncated() -> Fault:
    """Carried out; JSON that ends too early, in an answer of the right length."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.send(replace(answer, body=answer.body[: len(answer.body) // 2]))

    return fault


def wrong_json(body: bytes = b'{"acknowledged": true}') -> Fault:
    """JSON, and not what was asked for. Not carried out."""
    return says(200, body)


Leg = Literal["bm25", "knn"]


def searches(change: Callable[[dict[str, Any]], object], *legs: Leg) -> Fault:
    """Carried out; alter the answers to these of its searches, or to all, in `responses` or alone."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        parsed = json.loads(answer.body)
        answers = parsed.get("responses", [parsed])
        for one, asked in zip(answers, _searches(exchange.request), strict=True):
            if not legs or ("knn" if b'"knn"' in asked else "bm25") in legs:
                change(one)
        exchange.send(replace(answer, body=json.dumps(parsed).encode()))

    return fault


def _searches(request: Request) -> list[bytes]:
    """The bodies of the searches in a request."""
    if "_msearch" in request.path:
        return [line for line in request.body.split(b"\n") if line][1::2]
    return [request.body]


def timed_out(*legs: Leg, keep: int | None = None) -> Fault:
    """The server's own time limit ended the search; every shard is "successful" and some hits are there."""

    def change(answer: dict[str, Any]) -> None:
        answer["timed_out"] = True
        if keep is not None:
            del answer["hits"]["hits"][keep:]

    return searches(change, *legs)


def shards(
    *legs: Leg, failed: int = 1, total: int = 5, successful: int = 4, keep: int | None = None
) -> Fault:
    """So many shards answered."""
    reason = {"type": "node_not_connected_exception", "reason": "a node left"}

    def change(answer: dict[str, Any]) -> None:
        counts = {"total": total, "successful": successful, "skipped": 0, "failed": failed}
        failures = [{"shard": 0, "index": "x", "node": None, "reason": reason}] if failed else []
        answer["_shards"] = counts | ({"failures": failures} if failures else {})
        if keep is not None:
            del answer["hits"]["hits"][keep:]

    return searches(change, *legs)


def refused_search(*legs: Leg, status: int = 503, kind: str = "search_phase_execution_exception") -> Fault:
    """An error in the place of an answer, under status 200 for the whole."""
    cause = {"type": kind, "reason": "all shards failed"}

    def change(answer: dict[str, Any]) -> None:
        answer.clear()
        answer |= {"error": {"root_cause": [cause], **cause}, "status": status}

    return searches(change, *legs)


def sentinel_scores(*legs: Leg) -> Fault:
    def change(answer: dict[str, Any]) -> None:
        for number, hit in enumerate(answer["hits"]["hits"]):
            hit["_score"] = SENTINELS[number % 2]

    return searches(change, *legs)


def strange_hits(*legs: Leg, hit: Mapping[str, object] | None = None) -> Fault:
    """A hit that is no passage."""

    def change(answer: dict[str, Any]) -> None:
        answer["hits"]["hits"].insert(0, dict(hit or {"_id": "x", "_score": 1.0, "_source": {}}))

    return searches(change, *legs)


def fewer_answers() -> Fault:
    """One answer less than there were searches."""
    return altered(lambda parsed: parsed.get("responses", [0]).pop())
