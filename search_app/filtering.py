"""What a person may filter by → what the search takes. Formats are known to the database alone."""

from collections.abc import Sequence
from dataclasses import replace

from rag.errors import SieveError
from rag.types import Filters
from search_app.models import Document

MOST = 5_000
"""Documents that formats may stand for: their ids go into the search, and into its trace."""
NOTHING = ("0",)
"""The id of no document."""


class TooMany(SieveError):
    """More documents have these formats than a search can be told."""


def with_formats(filters: Filters, formats: Sequence[str], names: Sequence[str]) -> Filters:
    """The same, where it leaves only documents of these formats in these collections.

    Raises `TooMany`.
    """
    if not formats:
        return filters
    rows = Document.objects.filter(collection__name__in=names, version__gt=0, format__in=formats)
    if filters.documents:
        rows = rows.filter(pk__in=[int(d) for d in filters.documents if d.isdecimal()])
    found = tuple(str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
    if len(found) > MOST:
        raise TooMany(f"More than {MOST:,} documents have these formats. Name collections or documents.")
    return replace(filters, documents=found or NOTHING)
