"""Cohere, API version 2: rerank-v3.5, rerank-v4.0-pro, rerank-v4.0-fast and later.

https://docs.cohere.com/reference/rerank. A search is a question with up to 100 texts; the reply says how
many were charged.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Relevance, Reply, decode, pairs
from rag.types import ScoreKind

PATH = "/v2/rerank"
KIND: ScoreKind = "relevance"
MAX_TEXTS = 1000
OPTIONS: tuple[str, ...] = ("max_tokens_per_doc",)
TEXTS_PER_SEARCH = 100


class _Billed(Struct, frozen=True):
    search_units: float | None = None
    input_tokens: float | None = None


class _Meta(Struct, frozen=True):
    billed_units: _Billed | None = None


class _Answer(Struct, frozen=True):
    results: list[Relevance]
    meta: _Meta | None = None


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    return {"model": model, "query": query, "documents": texts, "top_n": len(texts), **options}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    billed = (answer.meta and answer.meta.billed_units) or _Billed()
    searches = ceil(texts / TEXTS_PER_SEARCH) if billed.search_units is None else billed.search_units
    return Reply(pairs(answer.results), int(billed.input_tokens or 0), searches)
