"""Jina AI: jina-reranker-v2-base-multilingual, jina-reranker-m0, jina-reranker-v3.

https://api.jina.ai/redoc. Charged by tokens. It sends the texts back unless told not to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Relevance, Reply, Usage, decode, pairs
from rag.types import ScoreKind

PATH = "/v1/rerank"
KIND: ScoreKind = "relevance"
MAX_TEXTS = 2048
OPTIONS: tuple[str, ...] = ()


class _Answer(Struct, frozen=True):
    results: list[Relevance]
    usage: Usage = Usage()


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    wanted = {"top_n": len(texts), "return_documents": False}
    return {"model": model, "query": query, "documents": texts, **wanted}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    return Reply(pairs(answer.results), answer.usage.total_tokens)
