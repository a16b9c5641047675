"""infinity (michaelfeil/infinity), a server of one's own for several models.

https://michaelfeil.github.io/infinity/, `POST /rerank`; where the server has a `--url-prefix`, it belongs
to the service's url. It gives probabilities unless asked for the raw scores.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Relevance, Reply, Usage, decode, pairs
from rag.types import ScoreKind

PATH = "/rerank"
KIND: ScoreKind = "logit"
MAX_TEXTS = 2048
OPTIONS: tuple[str, ...] = ()


class _Answer(Struct, frozen=True):
    results: list[Relevance]
    usage: Usage = Usage()


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    wanted = {"top_n": len(texts), "return_documents": False, "raw_scores": True}
    return {"model": model, "query": query, "documents": texts, **wanted}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    return Reply(pairs(answer.results), answer.usage.total_tokens)
