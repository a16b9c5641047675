"""Where a search in a cluster looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag.index.opensearch.versions import Version


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a search looks."""

    version: Version
    collections: Sequence[str]
    """Those asked for that may hold passages."""
    languages: Sequence[str]
    wordless: str = ""
    """A clause that says why passages may not be found by words."""
    clauses: tuple[dict[str, Any], ...] = ()
    """What filters add to the filter of access, inside each leg."""
    nothing: bool = False
    """Nothing fits the filters."""
    partial: str = ""
    """A clause that says why something that fits them may be missing."""
