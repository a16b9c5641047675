"""The first page: where everything is, and what wants attention."""

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from search_app.manage.listing import counts
from search_app.manage.staff import staff_only
from search_app.models import ApiKey, Collection, Document

FAILING = 5


@staff_only
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Links to all pages, documents by state, and what failed last."""
    failed = Document.objects.filter(state=Document.State.FAILED).select_related("collection")
    unexpired = Q(expires=None) | Q(expires__gt=timezone.now())
    context = {
        "counts": counts(Document.objects.all()),
        "collections": Collection.objects.count(),
        "public": Collection.objects.filter(public=True).count(),
        "keys": ApiKey.objects.filter(unexpired, revoked=None).count(),
        "failing": failed.order_by("-updated")[:FAILING],
    }
    return render(request, "manage/index.html", context)
