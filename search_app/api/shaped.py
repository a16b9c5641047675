"""Errors from beside the views, in the shape of the address that was asked."""

from django.http import HttpResponse

from search_app.api.chat import errors
from search_app.api.problems import Problem
from search_app.mcp import rpc

MCP = "/mcp"


def response(path: str, problem: Problem) -> HttpResponse:
    if errors.ADDRESSES.fullmatch(path):
        return errors.response(problem)
    return rpc.refusal(problem) if path == MCP else problem.response()
