"""All documents: what state they are in and why, and retry, reindex and delete, one or many."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from search_app import uploads
from search_app.manage.listing import ORDERS, Filters, counts, numbers, told, vars_of
from search_app.manage.staff import staff_only, wants_json
from search_app.models import Collection, Document

A_PAGE = 50
NAMED = 10
"""Documents that are named before they are deleted; the others are counted."""
POLLED = 200
"""Documents whose state a script may ask for at once."""
TOGETHER = 5000
"""Documents that are changed in one transaction."""


@staff_only
@require_safe
def documents(request: HttpRequest) -> HttpResponse:
    """The table, 50 a page."""
    filters = Filters.of(request.GET)
    page = Paginator(filters.rows(), A_PAGE).get_page(request.GET.get("page"))
    within = Filters(collection=filters.collection).rows().order_by()
    counted = counts(_but_state(filters).rows())
    context = {
        "filters": filters,
        "fields": vars_of(filters),
        "page": page,
        "states": [(state, n, _but_state(filters, state).address()) for state, n in counted.items()],
        "all_states": _but_state(filters).address(),
        "total": sum(counted.values()),
        "collections": Collection.objects.order_by("name"),
        "formats": sorted(within.values_list("format", flat=True).distinct()),
        "orders": {order: filters.address(order=order) for order in ORDERS},
        "here": filters.address(),
    }
    return render(request, "manage/documents.html", context)


def _but_state(filters: Filters, state: str = "") -> Filters:
    return Filters(filters.collection, state, filters.format, filters.name, filters.order)


@staff_only
@require_safe
def states(request: HttpRequest) -> HttpResponse:
    """`counts` by state of what the filters give, and the `documents` whose `id` was asked for.

    A document that was asked for and is missing has been deleted.
    """
    asked = numbers(request.GET.getlist("id"))[:POLLED]
    rows = Document.objects.filter(pk__in=asked).order_by("pk")
    shown = counts(Filters.of(request.GET).rows())
    return JsonResponse({"counts": shown, "documents": [told(row) for row in rows]})


@staff_only
@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Retry, reindex or delete the named documents, or `all` that the filters give.

    Pages come back with a sentence, scripts get it as JSON. Deleting asks once more, unless `sure` is set.
    """
    action, chosen = request.POST.get("action", ""), _chosen(request)
    if "one" in request.POST:  # a button beside one document: `retry 12`
        action, _, number = request.POST["one"].partition(" ")
        chosen = Document.objects.filter(pk__in=numbers([number]))
    n = chosen.count()
    if action not in ACTIONS:
        return _say(request, "Say what is to be done: retry, reindex or delete.", status=400)
    if not n:
        return _say(request, "No document was chosen. Mark some, and press the button again.", status=400)
    if action == "delete" and not request.POST.get("sure"):
        context = {"n": n, "named": chosen[:NAMED], "more": max(0, n - NAMED)}
        fields = [(k, v) for k in request.POST for v in request.POST.getlist(k) if k != "csrfmiddlewaretoken"]
        return render(request, "manage/delete_documents.html", context | {"fields": fields})
    return _say(request, _in_parts(chosen, *ACTIONS[action]))


def _chosen(request: HttpRequest) -> QuerySet[Document]:
    if request.POST.get("all"):
        return Filters.of(request.POST).rows()
    return Document.objects.filter(pk__in=numbers(request.POST.getlist("document"))[:TOGETHER]).order_by("pk")


def _in_parts(rows: QuerySet[Document], act: Callable[[Any], int], words: str) -> str:
    """Act on some thousands at a time; gives the sentence."""
    ids = list(rows.values_list("pk", flat=True))
    done = 0
    for first in range(0, len(ids), TOGETHER):
        done += act(Document.objects.filter(pk__in=ids[first : first + TOGETHER]).only("pk"))
    noun = "document" if done == 1 else "documents"
    sentence = words.format(f"{done:,} {noun}", "is" if done == 1 else "are")
    left = len(ids) - done
    if left:
        was = "was" if left == 1 else "were"
        sentence += f" {left:,} {was} left as {'it is' if left == 1 else 'they are'}."
    return sentence


ACTIONS: dict[str, tuple[Callable[[Any], int], str]] = {
    "retry": (uploads.retry, "{} {} tried again."),
    "reindex": (uploads.requeue, "{} {} indexed again. What was searchable stays so meanwhile."),
    "delete": (uploads.delete, "{} {} deleted, and found by nobody any more."),
}


def _say(request: HttpRequest, sentence: str, *, status: int = 200) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"error" if status >= 400 else "said": sentence}, status=status)
    (messages.error if status >= 400 else messages.success)(request, sentence)
    return redirect(reverse("manage-documents") + Filters.of(request.POST).address())
