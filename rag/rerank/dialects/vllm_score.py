"""vLLM with a pooling model, `POST /score`: one text against many, scores in the order given.

https://docs.vllm.ai/en/latest/models/pooling_models/scoring/. Otherwise as `vllm_rerank`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from rag.rerank.dialects.base import Options, Reply, Scored, Usage, decode, pairs
from rag.rerank.dialects.vllm_rerank import RAW
from rag.types import ScoreKind

PATH = "/score"
KIND: ScoreKind = "logit"
MAX_TEXTS = 1000
OPTIONS: tuple[str, ...] = ()


class _Answer(Struct, frozen=True):
    data: list[Scored]
    usage: Usage = Usage()


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    return {"model": model, "text_1": query, "text_2": texts, **RAW}


def read(data: bytes, texts: int) -> Reply:
    answer = decode(data, _Answer)
    return Reply(pairs(answer.data), answer.usage.total_tokens)
