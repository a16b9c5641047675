"""A cross-encoder as an ONNX file on the CPU: one raw logit a pair."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.onnx import OnnxModel, plain, tokenizer
from rag.rerank.base import Pair
from rag.rerank.pairs import PairReranker
from rag.types import ScoreKind

WEIGHTS = "model.onnx"
"""The file in a model's folder whose SHA-256 the fingerprint holds."""
POSITIONS = 512
"""Positions of the models known here, special tokens included: what is longer loses its end."""
MAX_QUERY = 256
"""Tokens after which a question is cut, so that a pair keeps room for the passage."""


def load(
    name: str,
    directory: Path,
    *,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
    batch_tokens: int = 1,
    digest: str | None = None,
) -> PairReranker:
    """The cross-encoder in a model's folder: `model.onnx` and `tokenizer.json`. Raises `ModelError`.

    `digest` is the SHA-256 of `model.onnx`, where it is known already.
    """
    return PairReranker(OnnxPairs(name, directory, threads=threads, batch_tokens=batch_tokens, digest=digest))


def fingerprint(name: str, digest: str) -> str:
    """The fingerprint that a model will have, from its name and the SHA-256 of its `WEIGHTS`."""
    return f"{name}:{digest[:12]}:logit"


class OnnxPairs:
    kind: ScoreKind = "logit"

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        threads: int | None = None,
        batch_tokens: int = 1,
        digest: str | None = None,
    ) -> None:
        file, words = directory / WEIGHTS, directory / "tokenizer.json"
        self._model = OnnxModel.load(file, output="logits", threads=threads)
        self._tokenizer = tokenizer(words, max_tokens=POSITIONS, only_second=True)
        self._question = tokenizer(words, max_tokens=MAX_QUERY)
        self.batch_tokens, self.lanes = batch_tokens, self._model.threads
        self.precision = "int8" if "int8" in name else "float32"
        self.fingerprint = fingerprint(name, digest or hashlib.sha256(file.read_bytes()).hexdigest())

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        query = self._cut(query)
        encoded = self._tokenizer.encode_batch([(query, plain(text)) for text in texts])
        return [Pair(len(one.ids), one) for one in encoded]

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        logits: list[float] = self._model.run([pair.data for pair in pairs])[:, 0].tolist()
        return logits

    def _cut(self, query: str) -> str:
        query = plain(query)
        tokens = self._question.encode(query)
        return query[: tokens.offsets[-2][1]] if len(tokens.ids) == MAX_QUERY else query
