"""A cross-encoder as an ONNX file on the CPU: one raw logit a pair.

An int8 file of a BERT is written anew for the processor first; see `rag.rerank.bert`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Encoding

from rag.errors import SpecError
from rag.onnx import OnnxModel, plain, tokenizer
from rag.onnx_file import operators
from rag.rerank.base import Pair
from rag.rerank.bert import rewritten
from rag.rerank.pairs import PairReranker
from rag.types import ScoreKind

WEIGHTS = "model.onnx"
"""The file in a model's folder whose SHA-256 the fingerprint holds."""
POSITIONS = 512
"""Positions of the models known here, special tokens included: what is longer loses its end."""
MAX_QUERY = 256
"""Tokens after which a question is cut, so that a pair keeps room for the passage."""
INT8 = {"MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul"}
FLOAT_BATCH = 512
"""Tokens of a run of a model in floats, whose scores do not depend on their neighbours."""
ALIKE = 1.0
"""How far the logit of `PROBE` may move when a file is written anew; some .1 are usual."""
PROBE = ("how many people live in berlin", "Three and a half million people live in Berlin, the capital.")


def load(
    name: str,
    directory: Path,
    *,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
    batch_tokens: int | None = None,
    digest: str | None = None,
) -> PairReranker:
    """The cross-encoder in a model's folder: `model.onnx` and `tokenizer.json`. Raises `ModelError`.

    It has no options: any raises `SpecError`. `batch_tokens` is 1 for int8, a pair a run, and more for
    floats, where nothing is said. `digest` is the SHA-256 of `model.onnx`, where it is known already.
    """
    if options:
        raise SpecError(f"The backend onnx has no options; there was {', '.join(sorted(options))}.")
    return PairReranker(OnnxPairs(name, directory, threads=threads, batch_tokens=batch_tokens, digest=digest))


def fingerprint(name: str, digest: str) -> str:
    """The fingerprint that a model will have, from its name and the SHA-256 of its `WEIGHTS`.

    The last part changes with the arithmetic: 2 since int8 files are written anew.
    """
    return f"{name}:{digest[:12]}:logit:2"


class OnnxPairs:
    kind: ScoreKind = "logit"

    def __init__(
        self,
        name: str,
        directory: Path,
        *,
        threads: int | None = None,
        batch_tokens: int | None = None,
        digest: str | None = None,
    ) -> None:
        words = directory / "tokenizer.json"
        self._tokenizer = tokenizer(words, max_tokens=POSITIONS, only_second=True)
        self._question = tokenizer(words, max_tokens=MAX_QUERY)
        self._model = OnnxModel.load(directory / WEIGHTS, output="logits", threads=threads)
        file = (directory / WEIGHTS).read_bytes()
        self.precision = "int8" if INT8 & operators(file) else "float32"
        self.batch_tokens = batch_tokens or (1 if self.precision == "int8" else FLOAT_BATCH)
        self.lanes = self._model.threads
        self.fingerprint = fingerprint(name, digest or hashlib.sha256(file).hexdigest())
        if self.batch_tokens == 1 and (anew := rewritten(file)):
            self._take(OnnxModel.load(anew, output=self._model.output, threads=threads, overflows=False))

    def _take(self, model: OnnxModel) -> None:
        """Use this model instead, if it scores as the file does."""
        probe: Encoding = self.pairs(PROBE[0], PROBE[1:])[0].data
        if abs(float(model.run([probe])[0, 0] - self._model.run([probe])[0, 0])) <= ALIKE:
            self._model = model

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
