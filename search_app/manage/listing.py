"""Which documents a staff page lists, and what a script is told of one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, QuerySet
from django.http import QueryDict
from django.urls import reverse

from search_app.models import Document

ORDERS = {
    "newest": ("-queued", "-pk"),
    "name": ("name", "pk"),
    "size": ("-size", "pk"),
}
MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked for. Empty: all of them."""

    collection: str = ""
    state: str = ""
    format: str = ""
    name: str = ""
    order: str = "newest"

    @classmethod
    def of(cls, query: QueryDict) -> "Filters":
        """From the fields of a form or an address. A state or an order that there is not is left out."""
        state, order = query.get("state", ""), query.get("order", "")
        return cls(
            collection=query.get("collection", "").replace("\0", ""),
            state=state if state in Document.State.values else "",
            format=query.get("format", "").replace("\0", ""),
            name=query.get("name", "").strip().replace("\0", ""),
            order=order if order in ORDERS else "newest",
        )

    def rows(self) -> QuerySet[Document]:
        """The documents, with collection and uploader, in order."""
        rows = Document.objects.select_related("collection", "uploader").order_by(*ORDERS[self.order])
        if self.collection:
            rows = rows.filter(collection__name=self.collection)
        if self.state:
            rows = rows.filter(state=self.state)
        if self.format:
            rows = rows.filter(format="" if self.format == "-" else self.format)
        if self.name:
            rows = rows.filter(name__icontains=self.name)
        return rows

    def address(self, **changes: str) -> str:
        """The query of the page that lists these, `?` included."""
        other = replace(self, **changes) if changes else self
        values = {k: v for k, v in vars_of(other).items() if v and (k, v) != ("order", "newest")}
        return "?" + urlencode(values)


def vars_of(filters: Filters) -> dict[str, str]:
    return {name: getattr(filters, name) for name in Filters.__slots__}


def counts(rows: QuerySet[Document]) -> dict[str, int]:
    """Number of documents in each state, all four named."""
    counted = rows.order_by().values_list("state").annotate(n=Count("pk"))
    return dict.fromkeys(Document.State.values, 0) | dict(counted)


def numbers(values: Iterable[str]) -> list[int]:
    """Ids of documents from a request; what is no number is left out."""
    found = [int(v) for v in values if v.isascii() and v.isdecimal() and len(v) < 20]
    return [number for number in found if number <= MAX_NUMBER]


def told(document: Document) -> dict[str, Any]:
    """A document as the pages' script knows it."""
    return {
        "id": document.pk,
        "name": document.name,
        "state": document.state,
        "reason": document.reason,
        "version": document.version,
        "size": document.size,
        "retry": document.state == Document.State.FAILED and bool(document.content_hash),
        "url": reverse("document", args=[document.pk]) if document.version else "",
    }
