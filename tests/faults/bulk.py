"""Faults of bulk requests: some operations carried out and some not, as the answer says or does not say."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.faults.kinds import altered
from tests.faults.proxy import Answer, Exchange, Fault

KINDS = {
    400: ("mapper_parsing_exception", "failed to parse field"),
    409: ("version_conflict_engine_exception", "version conflict"),
    429: ("rejected_execution_exception", "rejected execution"),
    503: ("unavailable_shards_exception", "primary shard is not active"),
}

Pick = Callable[[int, str], int | None]
"""Place in the request and `_id` to a status, or None where it is to be carried out as it is."""


def _operations(body: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Each operation's first line, parsed, and all its bytes."""
    found = []
    lines = iter([line for line in body.split(b"\n") if line])
    for line in lines:
        ((name, head),) = json.loads(line).items()
        rest = b"" if name == "delete" else next(lines) + b"\n"
        found.append(({"name": name, **head}, line + b"\n" + rest))
    return found


def mixed(pick: Pick, *, done: bool = False, writes: bool = False) -> Fault:
    """A bulk request of which some operations are refused. With `done` they are carried out all the same.

    With `writes` only operations that write a passage are.
    """

    def fault(exchange: Exchange) -> None:
        operations = _operations(exchange.request.body)
        statuses = [
            None if writes and head["name"] not in ("index", "create") else pick(place, head.get("_id", ""))
            for place, (head, _) in enumerate(operations)
        ]
        passed = [
            line for (_, line), status in zip(operations, statuses, strict=True) if done or status is None
        ]
        index = exchange.request.path.split("/")[1]
        answered: list[Any] = []
        if passed:
            answer = exchange.forward(b"".join(passed))
            if answer.status != 200:
                return exchange.send(answer)
            answered = json.loads(answer.body)["items"]
        rest = iter(answered)
        items = []
        for (head, _), status in zip(operations, statuses, strict=True):
            real = next(rest) if done or status is None else None
            items.append(real if status is None else {head["name"]: _refusal(head, index, status)})
        errors = any(next(iter(item.values()))["status"] >= 300 for item in items if item)
        body = json.dumps({"took": 1, "errors": errors, "items": items}).encode()
        exchange.send(Answer(200, body))

    return fault


def _refusal(head: Mapping[str, Any], index: str, status: int) -> dict[str, Any]:
    kind, reason = KINDS[status]
    error = {"type": kind, "reason": reason}
    return {"_index": head.get("_index", index), "_id": head.get("_id"), "status": status, "error": error}


def each_in_turn(*statuses: int | None) -> Pick:
    """These, one after the other, again and again."""
    return lambda place, _: statuses[place % len(statuses)]


def items_missing(keep: int = 1) -> Fault:
    """Carried out; the answer tells of the first few operations only, and of no error."""

    def change(parsed: dict[str, Any]) -> None:
        del parsed["items"][keep:]

    return altered(change)


def quiet_errors(statuses: Sequence[int | None] = (None, 429)) -> Fault:
    """Items that were refused, under `errors: false`: nothing but their own status tells."""
    inner = mixed(each_in_turn(*statuses))

    def fault(exchange: Exchange) -> None:
        send = exchange.send

        def quietly(answer: Answer) -> None:
            send(replace(answer, body=answer.body.replace(b'"errors": true', b'"errors": false')))

        exchange.send = quietly  # type: ignore[method-assign]
        inner(exchange)

    return fault
