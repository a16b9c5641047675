"""vLLM with a pooling model, `POST /v1/rerank`.

https://docs.vllm.ai/en/latest/models/pooling_models/scoring/. It gives probabilities unless
`use_activation` is off, and refuses what is longer than the model reads unless told to cut:
`truncate_prompt_tokens` of -1 is the model's own length.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Relevance, Reply, Usage, decode, pairs
from rag.types import ScoreKind

PATH = "/v1/rerank"
KIND: ScoreKind = "logit"
MAX_TEXTS = 1000
OPTIONS: tuple[str, ...] = ()
RAW = {"use_activation": False, "truncate_prompt_tokens": -1}


class _Answer(Struct, frozen=True):
    results: list[Relevance]
    usage: Usage = Usage()


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    return {"model": model, "query": query, "documents": texts, "top_n": len(texts), **RAW}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    return Reply(pairs(answer.results), answer.usage.total_tokens)
