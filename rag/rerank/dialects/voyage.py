"""Voyage AI: rerank-2.5, rerank-2.5-lite and those before.

https://docs.voyageai.com/reference/reranker-api. Charged by tokens: those of the question once for each
text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Relevance, Reply, Usage, decode, pairs
from rag.types import ScoreKind

PATH = "/v1/rerank"
KIND: ScoreKind = "relevance"
MAX_TEXTS = 1000
OPTIONS: tuple[str, ...] = ()


class _Answer(Struct, frozen=True):
    data: list[Relevance]
    usage: Usage = Usage()


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    wanted = {"top_k": len(texts), "return_documents": False, "truncation": True}
    return {"model": model, "query": query, "documents": texts, **wanted}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    return Reply(pairs(answer.data), answer.usage.total_tokens)
