"""Why these passages won: the list of queries and the page of one."""

import uuid

from django.contrib.admin.views.decorators import staff_member_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from search_app import selectors
from search_app.access import viewer_of
from search_app.pages.trace import trace_context

TRACES_A_PAGE = 50


@staff_member_required(login_url="admin:login")
@require_safe
def trace_list(request: HttpRequest) -> HttpResponse:
    """All traces, newest first. Staff only."""
    page = Paginator(selectors.traces(), TRACES_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "trace/list.html", {"page": page, "traces": page.object_list})


@require_safe
def trace(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """Why these passages won: for staff and for who asked."""
    found = selectors.trace(viewer_of(request), trace_id)
    if found is None:
        raise Http404
    record, stored = found.record, found.trace
    username = record.user.get_username() if record.user else ""
    context = trace_context(stored, created=record.created, username=username, trace_id=record.pk)
    return render(request, "trace/page.html", context)


@require_safe
def trace_json(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """The trace as it is stored, for the same readers; the texts of its passages by hash."""
    found = selectors.trace(viewer_of(request), trace_id)
    if found is None:
        raise Http404
    return JsonResponse(selectors.exported(found), json_dumps_params={"ensure_ascii": False})
