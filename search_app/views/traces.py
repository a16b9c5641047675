"""Why these passages won: the list of queries, the page of one, and two of them side by side."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rag.errors import SieveError, Unavailable
from search_app import asking, queries, selectors
from search_app.access import Viewer, owns, viewer_of
from search_app.manage.search_as import PERMISSION
from search_app.manage.staff import staff_only
from search_app.models import Feedback
from search_app.pages.compare import compare_context
from search_app.pages.queries import list_rows
from search_app.pages.trace import trace_context
from search_app.pages.words import milliseconds

TRACES_A_PAGE = 50


@staff_only
@require_safe
def trace_list(request: HttpRequest) -> HttpResponse:
    """Questions, newest first, as the filters say. Staff only; answers are not among what it shows."""
    filters = queries.read(request.GET)
    rows = queries.found(filters)
    summary = queries.summary(rows)
    paginator = Paginator(rows, TRACES_A_PAGE)
    paginator.count = summary.questions
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": list_rows(page.object_list, summary),
        "filters": filters,
        "query": filters.query(),
        "summary": summary,
        "p50": milliseconds(summary.p50_ms or 0.0),
        "p95": milliseconds(summary.p95_ms or 0.0),
        "pipelines": queries.pipelines(),
        "periods": [(key, said) for key, (said, _) in queries.PERIODS.items()],
        "statuses": queries.STATUSES,
        "may_search_as": request.user.has_perm(PERMISSION),
    }
    return render(request, "trace/list.html", context)


@require_safe
def trace(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """Why these passages won: for staff and for who asked."""
    viewer = viewer_of(request)
    found = _found(viewer, trace_id)
    record = found.record
    said = Feedback.objects.select_related("user").filter(trace=record).order_by("created")
    told = viewer.is_staff or owns(viewer, record)  # who has only the link is not told who asked
    context = trace_context(
        found.trace,
        created=record.created,
        username=_name(record.user) if told else "",
        trace_id=record.pk,
        gone=found.gone,
        as_username=_name(record.as_user) if told else "",
        feedback=list(said if viewer.is_staff else said.filter(who=viewer.who)),
        others=[row for row in queries.others_of(record) if viewer.is_staff or owns(viewer, row)],
    )
    return render(request, "trace/page.html", context)


def _name(user: AbstractBaseUser | None) -> str:
    return user.get_username() if user else ""


@require_safe
def trace_json(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """The trace as it is stored, for the same readers; the texts of its passages by hash."""
    found = _found(viewer_of(request), trace_id)
    return JsonResponse(selectors.exported(found), json_dumps_params={"ensure_ascii": False})


@require_safe
def compare(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """What differs between the trace `with` and this one, which is the newer; both must be readable."""
    viewer = viewer_of(request)
    try:
        other = uuid.UUID(request.GET.get("with", ""))
    except ValueError as error:
        raise Http404 from error
    pair = sorted((_found(viewer, trace_id), _found(viewer, other)), key=lambda one: one.record.created)
    return render(request, "trace/compare.html", compare_context(*pair))


@require_POST
def again(request: HttpRequest, trace_id: uuid.UUID) -> HttpResponse:
    """Ask the same question of the same collections as the pipeline stands now, and compare."""
    viewer = viewer_of(request, remember=True)
    found = _found(viewer, trace_id)
    readable = set(selectors.collections(viewer).values_list("name", flat=True))
    names = [name for name in found.trace.query.collections if name in readable]
    if not names:
        raise Http404
    name = found.trace.pipeline
    try:
        recording = asking.ask(
            found.record.question,
            viewer=viewer,
            collections=names,
            pipeline=name,
            history=found.trace.query.history,
            filters=found.trace.query.filters,
        )
        recording.finish()
    except SieveError as error:
        status = 503 if isinstance(error, Unavailable) else 400
        return render(request, "trace/failed.html", {"said": str(error), "trace_id": trace_id}, status=status)
    return redirect(f"../{recording.trace_id}/compare?with={trace_id}")


def _found(viewer: Viewer, trace_id: uuid.UUID) -> selectors.StoredTrace:
    found = selectors.trace(viewer, trace_id)
    if found is None:
        raise Http404
    return found
