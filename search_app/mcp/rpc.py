"""JSON-RPC 2.0 as the protocol uses it: one message a body, errors with a code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, JsonResponse

from search_app.api import problems
from search_app.api.problems import KINDS, Problem

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
REFUSED = -32010
"""Our own, of those that are left to servers: `data.code` then is a code of the REST API."""
MAX_ID = 1000
"""Characters of an id that is a text."""


class RpcError(Exception):
    """Ends a message with a JSON-RPC error. `status`: of the HTTP answer."""

    def __init__(self, code: int, sentence: str, *, data: Any = None, status: int = 400) -> None:
        super().__init__(sentence)
        self.code, self.data, self.status = code, data, status


@dataclass(frozen=True, slots=True)
class Message:
    """A request; a notification where `id` is None: it has no answer."""

    method: str
    params: Mapping[str, Any]
    id: int | str | None


def read(value: Any) -> Message:
    """The message in a body. Raises `RpcError`."""
    if isinstance(value, list):
        raise RpcError(INVALID_REQUEST, "Batches are not taken: send one message at a time.")
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'The body is not a message of JSON-RPC: {"jsonrpc": "2.0", ...}.')
    if "method" not in value and ("result" in value or "error" in value):
        raise RpcError(INVALID_REQUEST, "This server asks its clients nothing, so it takes no answers.")
    if not isinstance(value.get("method"), str):
        raise RpcError(INVALID_REQUEST, "The method of a message is a text.")
    if "id" in value and not is_id(value["id"]):
        raise RpcError(INVALID_REQUEST, f"An id is a whole number or a text of up to {MAX_ID} characters.")
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "The params of a message are an object.")
    return Message(value["method"], params, value.get("id"))


def is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID
    return isinstance(value, int) and not isinstance(value, bool)


def id_of(value: Any) -> int | str | None:
    """The id of what may be no message, for the error that answers it."""
    found = value.get("id") if isinstance(value, dict) else None
    return found if is_id(found) else None


def result(id: int | str | None, value: Mapping[str, Any]) -> JsonResponse:
    return _sent({"jsonrpc": "2.0", "id": id, "result": value}, 200)


def failure(error: RpcError, id: int | str | None = None) -> JsonResponse:
    said = {"code": error.code, "message": str(error)}
    said |= {} if error.data is None else {"data": error.data}
    return _sent({"jsonrpc": "2.0", "id": id, "error": said}, error.status)


def refusal(problem: Problem) -> HttpResponse:
    """A problem of the REST API as an error, with its status and headers."""
    code = {"malformed": PARSE_ERROR, "broken": INTERNAL_ERROR}.get(problem.code, REFUSED)
    status = KINDS[problem.code].status
    answer = failure(RpcError(code, problem.detail, data={"code": problem.code}, status=status))
    for name, value in problem.headers.items():
        answer.headers[name] = value
    return answer


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """What the framework calls with whatever the view raised."""
    if isinstance(error, RpcError):
        return failure(error)
    return refusal(problems.told(error, context))


def _sent(value: Mapping[str, Any], status: int) -> JsonResponse:
    return JsonResponse(value, status=status, headers={"Cache-Control": "no-store"})
