"""What a dialect is, and how its replies are read: by type, or not at all."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import msgspec
from msgspec import Struct

from rag.errors import SpecError
from rag.types import ScoreKind

T = TypeVar("T")
Options = Mapping[str, Any]


class BadReply(ValueError):
    """The service answered something that is not in its published format."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, read."""

    scores: tuple[tuple[int, float], ...]
    """Place of a text in the request, from 0, and its score; in whatever order the provider gives."""
    tokens: int = 0
    """Tokens that it charges for, or has read, where it says so."""
    searches: float = 1.0
    """Searches that it charges for."""


class Dialect(Protocol):
    """A module of this package."""

    PATH: str
    """After the url of the service."""
    KIND: ScoreKind
    MAX_TEXTS: int
    """Texts that one request may hold, as published, or by the server's default."""
    OPTIONS: tuple[str, ...]
    """What a pipeline may choose; whole numbers, from 1 on."""

    def body(self, model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
        """The request: all scores wanted, no texts back, what is too long cut off."""
        ...

    def read(self, data: bytes, texts: int) -> Reply:
        """Of a request with so many texts. Raises `BadReply`."""
        ...


def names() -> tuple[str, ...]:
    found = pkgutil.iter_modules(importlib.import_module("rag.rerank.dialects").__path__)
    return tuple(sorted(one.name for one in found if one.name != "base"))


def named(name: str) -> Dialect:
    """The dialect of this name. Raises `SpecError` listing those there are."""
    if name not in names():
        raise SpecError(f"There is no dialect {name!r} for reranking; there are: {', '.join(names())}.")
    return cast(Dialect, importlib.import_module(f"rag.rerank.dialects.{name}"))


def decode(data: bytes, of: type[T]) -> T:
    """Fields that are not known are passed over: a provider may add some. Raises `BadReply`."""
    try:
        return msgspec.json.decode(data, type=of)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadReply("not in the published format") from error


class Relevance(Struct, frozen=True):
    """As most providers spell one score."""

    index: int
    relevance_score: float


class Scored(Struct, frozen=True):
    """As the others do."""

    index: int
    score: float


class Usage(Struct, frozen=True):
    total_tokens: int = 0


def pairs(found: Sequence[Relevance] | Sequence[Scored]) -> tuple[tuple[int, float], ...]:
    return tuple(_pairs(found))


def _pairs(found: Sequence[Relevance] | Sequence[Scored]) -> Iterator[tuple[int, float]]:
    for one in found:
        yield one.index, one.relevance_score if isinstance(one, Relevance) else one.score
