"""Mixedbread: mxbai-rerank-large-v2, mxbai-rerank-base-v2 and version 1.

https://www.mixedbread.com/api-reference/endpoints/reranking. Charged by tokens. Unless told otherwise it
gives the best ten only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Reply, Scored, Usage, decode, pairs
from rag.types import ScoreKind

PATH = "/v1/reranking"
KIND: ScoreKind = "relevance"
MAX_TEXTS = 1000
OPTIONS: tuple[str, ...] = ()


class _Answer(Struct, frozen=True):
    data: list[Scored]
    usage: Usage = Usage()


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    wanted = {"top_k": len(texts), "return_input": False}
    return {"model": model, "query": query, "input": texts, **wanted}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    return Reply(pairs(answer.data), answer.usage.total_tokens)
