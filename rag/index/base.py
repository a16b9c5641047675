"""An index finds passages by words and by meaning, inside what the asker may read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.codes import TokenCodes
from rag.encode.base import Floats
from rag.errors import IndexUnavailable
from rag.types import Passage, Ranking, Subquery


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPassages:
    """The passages of one version of one document, in order of position, ready to be written."""

    document_id: str
    version: int
    passages: tuple[Passage, ...]
    vectors: Floats
    """float32 [n, dimension], unit length."""
    codes: tuple[TokenCodes, ...]


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What `verify` found: a sentence for each thing that is wrong; empty when all is well."""

    passages: int
    documents: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What harms no search but is worth knowing, such as space that `rebuild` would free."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What one subquery gave: a ranking, or the error that kept it from answering."""

    ranking: Ranking | None
    error: IndexUnavailable | None
    started_ms: float
    """When the leg began, counted from the call of `search`."""
    elapsed_ms: float


class IndexReader(Protocol):
    """Any number of readers, in any number of processes; each sees what was committed."""

    @property
    def version(self) -> str:
        """Name of the index's version on disk or in the cluster, never an alias."""
        ...

    def search(self, subqueries: Sequence[Subquery], k: int, collections: Sequence[str]) -> tuple[Leg, ...]:
        """One leg per subquery, in the order given, at most `k` candidates each, all of `collections`.

        A ranking's stage is "bm25" for `Lexical`, "knn" for `Dense`. One leg
        may fail alone. No collections, no candidates. Raises `IndexUnavailable` when nothing can be
        searched.
        """
        ...

    def count(self, collections: Sequence[str]) -> int:
        """Live passages in these collections."""
        ...

    def token_codes(self, passage_ids: Sequence[str]) -> tuple[TokenCodes | None, ...]:
        """Stored token codes, in the order given; None for a passage the index does not hold."""
        ...

    def documents(self) -> dict[tuple[str, int], int]:
        """(document id, version) to its number of live passages: what `verify` compares."""
        ...


class IndexWriter(Protocol):
    """One writer at a time. Each call is whole or not at all, whenever the process dies."""

    def write(self, documents: Iterable[EncodedPassages]) -> None:
        """Add these document versions; the same version written again replaces itself.

        Other versions of the document stay until `delete`: the database decides which one is shown.
        """
        ...

    def delete(self, document_id: str, *, version: int | None = None) -> None:
        """Take one version, or all, of a document out; gone from every search when this returns."""
        ...

    def delete_many(self, entries: Iterable[tuple[str, int | None]]) -> None:
        """Take (document id, version) out, all versions where it is None; all in one change."""
        ...

    def set_languages(self, languages: Mapping[str, str]) -> None:
        """Fix the language of these collections, before anything is written into them.

        Raises `IndexCorrupt` where a collection already holds passages in another language.
        """
        ...

    def close(self) -> None: ...
