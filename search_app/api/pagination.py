"""Pages by cursor: what comes in meanwhile neither repeats nor hides a row."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from search_app.api.problems import Problem

CURSOR = re.compile(r"[A-Za-z0-9+/=]{1,500}")
MAX_PAGE = 200


class Pages(CursorPagination):
    """`?limit=` rows from `?cursor=` on; `next` is the whole address of the page that follows, or null."""

    page_size = 50
    max_page_size = MAX_PAGE
    page_size_query_param = "limit"
    cursor_query_description = "Where to go on, from `next` of the page before."

    def __init__(self, ordering: tuple[str, ...]) -> None:
        self.ordering = ordering

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MAX_PAGE):
            detail = f"limit: Write a number from 1 to {MAX_PAGE}."
            raise Problem("invalid", detail, [{"field": "limit", "detail": detail[7:]}])
        return int(text)

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        try:
            return super().paginate_queryset(queryset, request, view) or []
        except (NotFound, ValueError, ValidationError) as error:  # a cursor that was never given out
            detail = "This cursor was never given out. Begin without one."
            raise Problem("not_found", detail) from error

    def decode_cursor(self, request: Request) -> Cursor | None:
        if not CURSOR.fullmatch(request.query_params.get("cursor", "none")):
            raise NotFound
        cursor = super().decode_cursor(request)
        if cursor is not None and "\0" in (cursor.position or ""):  # PostgreSQL has no word for it
            raise NotFound
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link()})
