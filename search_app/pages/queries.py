"""Rows of the list of queries, with how long each took beside the others."""

from collections.abc import Iterable
from dataclasses import dataclass

from search_app.models import TraceRecord
from search_app.pages.words import milliseconds
from search_app.queries import Summary


@dataclass(frozen=True, slots=True)
class ListRow:
    """A query. `share` is its time in percent of what 19 of 20 took at most, 100 at the most."""

    record: TraceRecord
    took: str
    share: int


def list_rows(records: Iterable[TraceRecord], summary: Summary) -> list[ListRow]:
    whole = summary.p95_ms or 1.0
    return [
        ListRow(record, milliseconds(record.total_ms), round(min(100.0, 100 * record.total_ms / whole)))
        for record in records
    ]
