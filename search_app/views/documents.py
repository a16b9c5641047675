"""A document to be read, and its original file."""

import unicodedata
from pathlib import PurePosixPath

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from search_app import contents, selectors
from search_app.access import viewer_of
from search_app.pages.document import document_context

SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
FOR_PDF = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""No sandbox: not every browser shows a PDF in one. `application/pdf` with `nosniff` is never a page."""


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
    context = document_context(
        text.title or opened.document.name,
        text.text,
        text.headings,
        text.pages,
        span,
        at=_number(request, "at"),
    )
    row = opened.document
    context |= {"document": row, "outdated": opened.outdated, "is_pdf": row.format == "pdf"}
    context |= {"original": _kept(text.content_hash)}
    context |= {"span_query": f"start={span[0]}&end={span[1]}" if span else ""}
    return render(request, "document/page.html", context)


@require_safe
def file(request: HttpRequest, document_id: int) -> HttpResponseBase:
    """The original bytes of the current version: a PDF to be seen, everything else to be saved."""
    opened = selectors.document(viewer_of(request), document_id)
    if opened is None or not _kept(opened.version.content_hash):
        raise Http404
    is_pdf = opened.document.format == "pdf"
    response = FileResponse(
        contents.path(opened.version.content_hash).open("rb"),
        as_attachment=not is_pdf,
        filename=_file_name(opened.document.name),
        content_type="application/pdf" if is_pdf else "application/octet-stream",
    )
    response.headers["Content-Security-Policy"] = FOR_PDF if is_pdf else SANDBOX
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _kept(content_hash: str) -> bool:
    return bool(content_hash) and contents.path(content_hash).is_file()


def _file_name(name: str) -> str:
    """The last part of a document's name without characters that are not seen, for a header."""
    last = PurePosixPath(name).name
    seen = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip(" .")
    return seen[-150:] or "document"


def _number(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 12 else None
