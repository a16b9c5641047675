"""Pages. Thin: a view reads the request, calls one service or selector, and renders."""

from django.http import Http404, HttpRequest, HttpResponse


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def ask(request: HttpRequest) -> HttpResponse:
    return HttpResponse("", content_type="text/plain")


def ask_stream(request: HttpRequest) -> HttpResponse:
    raise Http404


def answer(request: HttpRequest, trace_id: object) -> HttpResponse:
    raise Http404


def document(request: HttpRequest, document_id: int) -> HttpResponse:
    raise Http404


def trace_list(request: HttpRequest) -> HttpResponse:
    raise Http404


def trace(request: HttpRequest, trace_id: object) -> HttpResponse:
    raise Http404


def trace_json(request: HttpRequest, trace_id: object) -> HttpResponse:
    raise Http404
