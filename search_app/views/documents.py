"""A document to be read, and its original file."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from search_app import selectors
from search_app.access import viewer_of
from search_app.pages.document import document_context


@require_safe
def document(request: HttpRequest, document_id: int) -> HttpResponse:
    """A document, with the cited characters marked when they are of the version that is current."""
    version = _number(request, "version")
    opened = selectors.document(viewer_of(request), document_id, version)
    if opened is None:
        raise Http404
    start, end = _number(request, "start"), _number(request, "end")
    span = (start, end) if start is not None and end is not None and not opened.outdated else None
    text = opened.version
    context = document_context(text.title or opened.document.name, text.text, text.headings, text.pages, span)
    row = opened.document
    context |= {"collection": row.collection, "name": row.name, "version": row.version}
    context |= {"outdated": opened.outdated}
    return render(request, "document/page.html", context)


def _number(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 12 else None
