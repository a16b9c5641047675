"""Stand-ins of the providers on loopback, as strict as their published formats, over any scores.

Each takes the requests that the provider's reference names, refuses every other field, and answers with all
fields that the reference lists. The real client libraries of Cohere, Voyage AI, ZeroEntropy and Mixedbread
were pointed at them once and read the answers.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tests.faults.proxy import Answer, Exchange, Fault

KEY = "a-key-of-the-tests"
MODEL = "the-model"
Score = Callable[[str, Sequence[str]], Sequence[float]]
"""Question and texts to logits."""
Ranked = list[tuple[int, float]]
"""Places and scores, best first."""


class Cohere2(Struct, forbid_unknown_fields=True):
    model: str
    query: str
    documents: list[str]
    top_n: int | None = None
    max_tokens_per_doc: int | None = None
    priority: int | None = None


class Cohere1(Struct, forbid_unknown_fields=True):
    query: str
    documents: list[str | dict[str, str]]
    model: str | None = None
    top_n: int | None = None
    rank_fields: list[str] | None = None
    return_documents: bool | None = None
    max_chunks_per_doc: int | None = None


class Voyage(Struct, forbid_unknown_fields=True):
    query: str
    documents: list[str]
    model: str
    top_k: int | None = None
    return_documents: bool = False
    truncation: bool = True


class Jina(Struct, forbid_unknown_fields=True):
    model: str
    query: str
    documents: list[str | dict[str, str]]
    top_n: int | None = None
    return_documents: bool = True


class ZeroEntropy(Struct, forbid_unknown_fields=True):
    model: str
    query: str
    documents: list[str]
    top_n: int | None = None
    latency: Literal["fast", "slow"] | None = None


class Mixedbread(Struct, forbid_unknown_fields=True):
    query: str
    input: list[Any]
    model: str = "mixedbread-ai/mxbai-rerank-large-v2"
    rank_fields: list[str] | None = None
    top_k: int = 10
    return_input: bool = False
    rewrite_query: bool = False


class Tei(Struct, forbid_unknown_fields=True):
    query: str
    texts: list[str]
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool | None = False
    truncation_direction: Literal["Left", "Right"] = "Right"


class Infinity(Struct, forbid_unknown_fields=True):
    query: str
    documents: list[str]
    return_documents: bool = False
    raw_scores: bool = False
    model: str = "default/not-specified"
    top_n: int | None = None


class VllmRerank(Struct, forbid_unknown_fields=True):
    query: str
    documents: list[str]
    model: str | None = None
    top_n: int = 0
    truncate_prompt_tokens: int | None = None
    use_activation: bool | None = None


class VllmScore(Struct, forbid_unknown_fields=True):
    text_1: str | list[str]
    text_2: str | list[str]
    model: str | None = None
    truncate_prompt_tokens: int | None = None
    use_activation: bool | None = None


def tokens_of(query: str, texts: Sequence[str]) -> int:
    """So many tokens, say these providers: the words of each pair."""
    return sum(len(f"{query} {text}".split()) for text in texts)


def _relevance(ranked: Ranked, **more: Any) -> list[dict[str, Any]]:
    return [{"index": index, "relevance_score": score, **more} for index, score in ranked]


def _scored(ranked: Ranked, **more: Any) -> list[dict[str, Any]]:
    return [{"index": index, "score": score, **more} for index, score in ranked]


def _cohere(version: str) -> Callable[[Any, Ranked, int], Any]:
    def answer(asked: Any, ranked: Ranked, tokens: int) -> Any:
        units = math.ceil(len(asked.documents) / 100)
        meta = {"api_version": {"version": version, "is_experimental": False}}
        return {
            "id": "7d1cbe2f-3f23-44ce-a8b4-6a3c1f1a9a11",
            "results": _relevance(ranked),
            "meta": {**meta, "billed_units": {"search_units": units}},
        }

    return answer


def _voyage(asked: Voyage, ranked: Ranked, tokens: int) -> Any:
    usage = {"total_tokens": tokens}
    return {"object": "list", "data": _relevance(ranked), "model": asked.model, "usage": usage}


def _jina(asked: Jina, ranked: Ranked, tokens: int) -> Any:
    results = _relevance(ranked)
    if asked.return_documents:
        results = [{**one, "document": {"text": asked.documents[one["index"]]}} for one in results]
    return {"model": asked.model, "object": "list", "usage": {"total_tokens": tokens}, "results": results}


def _zeroentropy(asked: ZeroEntropy, ranked: Ranked, tokens: int) -> Any:
    took = {"actual_latency_mode": "fast", "e2e_latency": 0.21, "inference_latency": 0.14}
    size = sum(len(text.encode()) for text in (asked.query, *asked.documents))
    return {"results": _relevance(ranked), "total_bytes": size, "total_tokens": tokens, **took}


def _mixedbread(asked: Mixedbread, ranked: Ranked, tokens: int) -> Any:
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0}
    best = _scored(ranked[: asked.top_k], input=None, object="rank_result")
    told = {"object": "list", "top_k": asked.top_k, "return_input": asked.return_input}
    return {"usage": usage, "model": asked.model, "data": best, **told}


def _tei(asked: Tei, ranked: Ranked, tokens: int) -> Any:
    return _scored(ranked)


def _infinity(asked: Infinity, ranked: Ranked, tokens: int) -> Any:
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    told = {"object": "rerank", "id": "infinity-1d0b", "created": 1_700_000_000}
    return {**told, "model": asked.model, "results": _relevance(ranked, document=None), "usage": usage}


def _vllm_rerank(asked: VllmRerank, ranked: Ranked, tokens: int) -> Any:
    results = [
        {**one, "document": {"text": asked.documents[one["index"]], "multi_modal": None}}
        for one in _relevance(ranked)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"id": "rerank-b5a", "model": asked.model, "usage": usage, "results": results}


def _vllm_score(asked: VllmScore, ranked: Ranked, tokens: int) -> Any:
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0}
    told = {"id": "score-e6f", "object": "list", "created": 1_700_000_000, "model": asked.model}
    return {**told, "data": _scored(sorted(ranked), object="score"), "usage": usage}


PROVIDERS: Mapping[str, tuple[str, type, Callable[[Any, Ranked, int], Any]]] = {
    "cohere_v1": ("/v1/rerank", Cohere1, _cohere("1")),
    "cohere_v2": ("/v2/rerank", Cohere2, _cohere("2")),
    "voyage": ("/v1/rerank", Voyage, _voyage),
    "jina": ("/v1/rerank", Jina, _jina),
    "zeroentropy": ("/v1/models/rerank", ZeroEntropy, _zeroentropy),
    "mixedbread": ("/v1/reranking", Mixedbread, _mixedbread),
    "tei": ("/rerank", Tei, _tei),
    "infinity": ("/rerank", Infinity, _infinity),
    "vllm_rerank": ("/v1/rerank", VllmRerank, _vllm_rerank),
    "vllm_score": ("/score", VllmScore, _vllm_score),
}
LARGEST = {"tei": 32, "infinity": 2048}
"""Texts of a request, by the server's default; 1000 where none is published."""


def provider(name: str, score: Score) -> Fault:
    """What the provider of this dialect does with a request."""
    path, schema, answer = PROVIDERS[name]

    def act(exchange: Exchange) -> None:
        request = exchange.request
        headers = {key.lower(): value for key, value in request.headers.items()}
        if (request.method, request.path) != ("POST", path):
            return _send(exchange, 404, {"detail": "Not Found"})
        if headers.get("authorization") != f"Bearer {KEY}":
            return _send(exchange, 401, {"message": "invalid api token"})
        try:
            asked = msgspec.json.decode(request.body, type=schema)
        except msgspec.ValidationError as error:
            return _send(exchange, 422, {"detail": str(error)})
        query, texts = _read(asked)
        if not 0 < len(texts) <= LARGEST.get(name, 1000):
            return _send(exchange, 413, {"error": "Batch size error", "error_type": "validation"})
        raw = getattr(asked, "raw_scores", False) or getattr(asked, "use_activation", None) is False
        values = [value if raw else 1 / (1 + math.exp(-value)) for value in score(query, texts)]
        ranked = sorted(enumerate(values), key=lambda one: -one[1])
        best = getattr(asked, "top_n", None) or getattr(asked, "top_k", None) or len(ranked)
        _send(exchange, 200, answer(asked, ranked[:best], tokens_of(query, texts)))

    return act


def _read(asked: Any) -> tuple[str, list[str]]:
    if isinstance(asked, VllmScore):
        return str(asked.text_1), list(asked.text_2)
    texts = getattr(asked, "documents", None) or getattr(asked, "texts", None) or asked.input
    return asked.query, [text if isinstance(text, str) else text["text"] for text in texts]


def _send(exchange: Exchange, status: int, body: object) -> None:
    exchange.send(Answer(status, json.dumps(body).encode(), "application/json"))
