"""Cohere, API version 1, where the documents of a request may also be objects.

https://docs.cohere.com/v1/reference/rerank. Many servers of others speak it too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rag.rerank.dialects import cohere_v2
from rag.rerank.dialects.base import Options, Reply
from rag.types import ScoreKind

PATH = "/v1/rerank"
KIND: ScoreKind = "relevance"
MAX_TEXTS = 1000
OPTIONS: tuple[str, ...] = ("max_chunks_per_doc",)


def body(model: str, query: str, texts: Sequence[str], options: Options) -> Mapping[str, Any]:
    wanted = {"top_n": len(texts), "return_documents": False}
    return {"model": model, "query": query, "documents": texts, **wanted, **options}


def read(data: bytes, texts: int) -> Reply:
    """As version 2."""
    return cohere_v2.read(data, texts)
