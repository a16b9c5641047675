"""Errors at the addresses of OpenAI's API, in its shape: {error: {message, type, param, code}}."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from search_app.api import problems
from search_app.api.chat.shapes import ChatError
from search_app.api.problems import KINDS, Problem

ADDRESSES = re.compile(r"(/api)?/v1/(chat/completions|models(/[^/]+)?)")
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
"""Status to type; below 500 every other one is an `invalid_request_error`, above it a `server_error`."""
CODES = {"bad_key": "invalid_api_key", "throttled": "rate_limit_exceeded"}
"""Our codes that programs know by another name; the others stay."""
FINAL = frozenset({"conflict", "nothing_to_search", "broken"})
"""OpenAI's client would send these again by itself, which changes nothing."""


def as_dict(problem: Problem) -> dict[str, Any]:
    status = KINDS[problem.code].status
    field = problem.errors[0]["field"] if problem.errors else None
    code = CODES.get(problem.code, problem.code)
    if problem.code == "not_found" and field == "model":
        code = "model_not_found"
    type_ = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": problem.detail, "type": type_, "param": field or None, "code": code}}


def response(problem: Problem) -> HttpResponse:
    answer = problem.response()
    answer.content = json.dumps(as_dict(problem))
    answer.headers["Content-Type"] = "application/json"
    if problem.code in FINAL:
        answer.headers["X-Should-Retry"] = "false"
    return answer


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    return response(problems.told(error, context))


def documented(codes: Sequence[str], sentences: Mapping[str, str]) -> dict[Any, OpenApiResponse]:
    """The responses of a route for these codes of ours."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        (status, "application/json"): OpenApiResponse(
            ChatError,
            description="; ".join(KINDS[code].title for code in same) + ".",
            examples=[
                OpenApiExample(
                    code,
                    value=as_dict(Problem(code, sentences[code])),
                    response_only=True,
                    status_codes=[str(status)],
                )
                for code in same
            ],
        )
        for status, same in sorted(by_status.items())
    }
