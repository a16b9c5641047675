"""The first page: where everything is, and what wants attention."""

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from search_app.manage.staff import staff_only
from search_app.models import Collection, Document


@staff_only
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Links to all pages, and counts of documents by state."""
    counted = Document.objects.values_list("state").annotate(n=Count("pk")).order_by()
    counts = dict.fromkeys(Document.State.values, 0) | dict(counted)
    context = {"counts": counts, "collections": Collection.objects.count()}
    return render(request, "manage/index.html", context)
