"""ZeroEntropy: zerank-2, zerank-1, zerank-1-small.

https://docs.zeroentropy.dev/api-reference/models/rerank. Charged by tokens. `latency` is always `fast`: a
request over the limit of those is then refused with 429 at once, instead of being answered after ten
seconds, when nobody waits any more.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Relevance, Reply, decode, pairs
from rag.types import ScoreKind

PATH = "/v1/models/rerank"
KIND: ScoreKind = "relevance"
MAX_TEXTS = 1000
OPTIONS: tuple[str, ...] = ()


class _Answer(Struct, frozen=True):
    results: list[Relevance]
    total_tokens: int = 0


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    wanted = {"top_n": len(texts), "latency": "fast"}
    return {"model": model, "query": query, "documents": texts, **wanted}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    return Reply(pairs(answer.results), answer.total_tokens)
