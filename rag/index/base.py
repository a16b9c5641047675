"""An index finds passages by words and by meaning, inside what the asker may read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rag.codes import TokenCodes
from rag.encode.base import Floats
from rag.errors import IndexUnavailable
from rag.types import NO_FILTERS, Filters, Passage, Ranking, Subquery


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPassages:
    """The passages of one version of one document, in order of position, ready to be written."""

    document_id: str
    version: int
    passages: tuple[Passage, ...]
    vectors: Floats
    """float32 [n, dimension], unit length."""
    codes: tuple[TokenCodes, ...]


def check(document: EncodedPassages, dimension: int) -> None:
    """A caller's mistake is found before anything of it is written. Raises `ValueError`."""
    name = f"{document.document_id}:{document.version}"
    passages, shape = document.passages, (len(document.passages), dimension)
    if document.vectors.shape != shape or len(document.codes) != len(passages):
        raise ValueError(f"{name} needs vectors of shape {shape} and as many codes as passages")
    if any((p.document_id, p.version) != (document.document_id, document.version) for p in passages):
        raise ValueError(f"{name} comes with passages of another document")
    if not np.isfinite(document.vectors).all():
        raise ValueError(f"{name} has a vector that is not finite")
    if any(codes.bits.shape[1] * 8 != dimension for codes in document.codes):
        raise ValueError(f"{name} has token codes of another dimension than {dimension}")


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What `verify` found: a sentence for each thing that is wrong; empty when all is well."""

    passages: int
    documents: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What harms no search but is worth knowing, such as space that `reindex` would free."""


@dataclass(frozen=True, slots=True)
class Leg:
    """What one subquery gave: a ranking, or the error that kept it from answering."""

    ranking: Ranking | None
    error: IndexUnavailable | None
    started_ms: float
    """When the leg began, counted from the call of `search`."""
    elapsed_ms: float
    partial: str = ""
    """Why the ranking may lack passages that are there: a clause such as "2 of 5 shards answered"."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The version in use and how much it holds, for who watches over it."""

    version: str
    encoder: str
    """Fingerprint of the encoder whose vectors it holds."""
    passages: int
    documents: int


class IndexReader(Protocol):
    """Any number of readers, in any number of processes; each sees what was committed."""

    @property
    def version(self) -> str:
        """Name of the index's version on disk or in the cluster, never an alias."""
        ...

    def search(
        self,
        subqueries: Sequence[Subquery],
        k: int,
        collections: Sequence[str],
        filters: Filters = NO_FILTERS,
    ) -> tuple[Leg, ...]:
        """One leg per subquery, in the order given, at most `k` candidates each, all of `collections`.

        With filters each leg gives the best `k` of what fits them, by `rag.index.fitting`. Where so many
        passages have the words of a phrase that not all were looked through, `partial` says so.

        A ranking's stage is "bm25" for `Lexical`, "knn" for `Dense`, "fused" for `Hybrid`, which not every
        index can answer. One leg may fail alone. No collections, no candidates. Raises `IndexUnavailable`
        when nothing can be searched.
        """
        ...

    def alike(self, word: str, k: int, collections: Sequence[str]) -> tuple[Passage, ...]:
        """At most `k` passages of `collections` with a word that is spelled almost like this one.

        One letter differs, or two in words of six and more. In no order; none in languages without spaces.
        Raises `IndexUnavailable`.
        """
        ...

    def count(self, collections: Sequence[str]) -> int:
        """Live passages in these collections, now or at most a second ago."""
        ...

    def token_codes(self, passage_ids: Sequence[str]) -> tuple[TokenCodes | None, ...]:
        """Stored token codes, in the order given; None for a passage the index does not hold."""
        ...

    def passages(self, passage_ids: Sequence[str]) -> tuple[Passage | None, ...]:
        """Live passages by id, in the order given; None for what the index does not hold.

        Whoever asks checks who may read them. Raises `IndexUnavailable`.
        """
        ...

    def documents(self) -> dict[tuple[str, int], int]:
        """(document id, version) to its number of live passages: what `verify` compares."""
        ...


class IndexWriter(Protocol):
    """What a call wrote is found by every search that begins after it returned.

    A call that failed, or whose process died, may leave passages of the version that it was writing, and
    of no other: until the database calls a version current it is shown to nobody, and what never becomes
    current is swept out.
    """

    @property
    def exclusive(self) -> bool:
        """True: while this writer is open, no other one is."""
        ...

    def write(self, documents: Iterable[EncodedPassages]) -> None:
        """Add these document versions; the same version written again replaces itself.

        Other versions of the document stay until `delete`: the database decides which one is shown. A
        version that was taken out is never written again: versions only go up. Raises `PassagesRefused`,
        after all else is written, where documents cannot be indexed as they are.
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
