"""Addresses that the pages link to."""

from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from rag.types import Passage


def document_url(passage: Passage, span: tuple[int, int] | None = None) -> str:
    """The passage's document with `span` (the whole passage if None) highlighted and scrolled to.

    Empty when the document id is none of this site, as in a trace that came from elsewhere.
    """
    start, end = span or passage.span
    query = urlencode({"version": passage.version, "start": start, "end": end})
    try:
        return f"{reverse('document', args=[int(passage.document_id)])}?{query}#cited"
    except (ValueError, NoReverseMatch):
        return ""


def answer_url(trace_id: object) -> str:
    return reverse("answer", args=[trace_id])


def trace_url(trace_id: object) -> str:
    return reverse("trace", args=[trace_id])
