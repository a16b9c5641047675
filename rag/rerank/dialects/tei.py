"""Hugging Face's text-embeddings-inference, which serves one model: bge-reranker, gte, mxbai-rerank v1.

https://huggingface.github.io/text-embeddings-inference/, `POST /rerank`. It refuses more texts in a
request than its `--max-client-batch-size`, 32 unless set, and texts that are too long unless told to cut.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rag.rerank.dialects.base import Options, Reply, Scored, decode, pairs
from rag.types import ScoreKind

PATH = "/rerank"
KIND: ScoreKind = "logit"
MAX_TEXTS = 32
OPTIONS: tuple[str, ...] = ()


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    return {"query": query, "texts": texts, "raw_scores": True, "return_text": False, "truncate": True}


def read(data: bytes, texts: int) -> Reply:
    return Reply(pairs(decode(data, list[Scored])))
