"""What the cluster answers to a search, read strictly: 200 is not success.

An answer that cannot be used raises `IndexUnavailable`; one of a part of the index says so.
"""

import math
from collections.abc import Collection
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from rag.errors import IndexUnavailable
from rag.types import Passage

UNREADABLE = "The search cluster answered something that cannot be read."
LOWEST = -1e6
"""Lower scores are marks that the hybrid query leaves in its answer when nothing takes them out."""
_OVERLOADED = (429, 502, 503, 504)

T = TypeVar("T")


class Source(Struct):
    """`_source` of a passage."""

    id: str
    document_id: str
    version: int
    position: int
    collection: str
    title: str
    headings: tuple[str, ...]
    text: str
    start: int
    stop: int
    tokens: int
    page: int | None = None

    def passage(self) -> Passage:
        return Passage(
            id=self.id,
            document_id=self.document_id,
            version=self.version,
            position=self.position,
            collection=self.collection,
            title=self.title,
            headings=self.headings,
            text=self.text,
            span=(self.start, self.stop),
            page=self.page,
            tokens=self.tokens,
        )


class Hit(Struct):
    id: str = field(name="_id")
    score: float | None = field(name="_score")
    source: Source = field(name="_source")


class Hits(Struct):
    hits: list[Hit]


class Shards(Struct):
    total: int
    successful: int
    failed: int


class Cause(Struct):
    type: str = ""
    reason: str | None = ""


class Failure(Struct):
    type: str = ""
    reason: str | None = ""
    root_cause: list[Cause] = []
    caused_by: Cause | None = None

    def says(self, *kinds: str) -> bool:
        """Whether one of these words stands in it: older versions bury the kind in the reason."""
        causes = (*self.root_cause, *([self.caused_by] if self.caused_by else []))
        written = " ".join([self.type, self.reason or "", *(f"{c.type} {c.reason}" for c in causes)])
        return any(kind in written for kind in kinds)


class Answer(Struct):
    """Of one search, alone or among several."""

    status: int = 200
    timed_out: bool = False
    shards: Shards | None = field(name="_shards", default=None)
    hits: Hits | None = None
    error: Failure | str | None = None

    @property
    def passing(self) -> bool:
        """Whether it failed, and may succeed a little later."""
        return self.status in _OVERLOADED

    @property
    def gone(self) -> bool:
        """Whether the index is not there any more."""
        return isinstance(self.error, Failure) and self.error.says(
            "index_not_found_exception", "index_closed_exception"
        )

    @property
    def too_long(self) -> bool:
        """Whether the question has more words than the cluster allows."""
        return isinstance(self.error, Failure) and self.error.says(
            "too_many_clauses", "too_many_nested_clauses", "maxClauseCount"
        )


class Answers(Struct):
    responses: list[Answer]


def read(answer: Any, kind: type[T]) -> T:
    """The answer in its shape. Raises `IndexUnavailable` where it has another one."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise IndexUnavailable(UNREADABLE) from error


def failure(answer: Answer) -> IndexUnavailable | None:
    """Why this answer cannot be used at all; None where it can, at least in part."""
    if answer.error is not None or answer.status != 200:
        if answer.status == 429:
            return IndexUnavailable("The search cluster is overloaded (429).")
        kind = answer.error.type if isinstance(answer.error, Failure) else ""
        name = f" ({kind})" if kind.replace("_", "").isalnum() else ""
        return IndexUnavailable(f"The search cluster answered {answer.status}{name}.")
    if answer.hits is None or answer.shards is None:
        return IndexUnavailable(UNREADABLE)
    if answer.shards.total and not answer.shards.successful:
        return IndexUnavailable("None of the search cluster's shards answered.")
    return None


def lacking(shards: Shards, timed_out: bool) -> str:
    """A clause that says why something may be missing; nothing when nothing is."""
    clauses = []
    if shards.failed or shards.successful < shards.total:
        answered = min(shards.successful, shards.total - shards.failed)
        clauses.append(f"{answered} of {shards.total} shards answered")
    if timed_out:
        clauses.append("the search cluster ended the search at its time limit")
    return " and ".join(clauses)


def scored(answer: Answer, collections: Collection[str]) -> list[tuple[Passage, float]]:
    """The passages and raw scores. Raises `IndexUnavailable` where one may not be among them."""
    assert answer.hits is not None
    found = []
    seen = set()
    for hit in answer.hits.hits:
        score, source = hit.score, hit.source
        if score is None or not math.isfinite(score) or score < LOWEST:
            raise IndexUnavailable("The search cluster answered with scores that cannot be used.")
        if source.collection not in collections:
            raise IndexUnavailable("The search cluster answered with passages of other collections.")
        if hit.id != source.id or source.id in seen:
            raise IndexUnavailable(UNREADABLE)
        seen.add(source.id)
        found.append((source.passage(), score))
    return found
