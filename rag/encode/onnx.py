"""A bi-encoder as an ONNX file on the CPU."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from rag.codes import SCHEME, quantise
from rag.encode.base import Encoding, Floats, unit
from rag.errors import EncoderUnavailable, ModelError
from rag.onnx import OnnxModel, batches, plain, tokenizer
from rag.parallel import in_parallel

POSITIONS = 512
"""Positions of the models known here, special tokens included."""
PIECE = 16_384
"""Characters of a long text tokenised at a time."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model's token states become one vector."""

    pooling: Literal["cls", "mean"]
    query_prefix: str


RECIPES = {
    "bge-small-en-v1.5-int8": Recipe("cls", "Represent this sentence for searching relevant passages: "),
    "answerai-colbert-small-v1-int8": Recipe("cls", ""),
}


def load(
    name: str,
    directory: Path,
    *,
    threads: int | None = None,
    batch_tokens: int = 1,
    cached_queries: int = 512,
    digest: str | None = None,
) -> "OnnxEncoder":
    """The encoder in a model's folder: `model.onnx` and `tokenizer.json`. Raises `ModelError`.

    `digest` is the SHA-256 of `model.onnx`, where it is known already.
    """
    if name not in RECIPES:
        raise ModelError(f"It is not known how {name} pools its tokens; known are: {', '.join(RECIPES)}.")
    return OnnxEncoder(
        name,
        directory / "model.onnx",
        directory / "tokenizer.json",
        recipe=RECIPES[name],
        threads=threads,
        batch_tokens=batch_tokens,
        cached_queries=cached_queries,
        digest=digest,
    )


class OnnxEncoder:
    """One vector a text, and the state of each of its tokens, from one pass."""

    def __init__(
        self,
        name: str,
        model_file: Path,
        tokenizer_file: Path,
        *,
        recipe: Recipe,
        threads: int | None = None,
        batch_tokens: int = 1,
        cached_queries: int = 512,
        digest: str | None = None,
    ) -> None:
        self._model = OnnxModel.load(model_file, output="last_hidden_state", threads=threads)
        self._cutting = tokenizer(tokenizer_file, max_tokens=POSITIONS)
        self._whole = tokenizer(tokenizer_file, max_tokens=None)
        self._recipe = recipe
        self._batch_tokens = batch_tokens
        self._cache: OrderedDict[str, tuple[Floats, Floats]] = OrderedDict()
        self._cached_queries = cached_queries
        self._lock = threading.Lock()
        self.dimension: int = self._model.session.get_outputs()[0].shape[-1]
        self.max_tokens = POSITIONS - 2
        recipe_hash = hashlib.sha256(recipe.query_prefix.encode()).hexdigest()[:8]
        digest = digest or hashlib.sha256(model_file.read_bytes()).hexdigest()
        self.fingerprint = f"{name}:{digest[:12]}:{recipe.pooling}:{recipe_hash}:{SCHEME}"
        self._warm_up()

    def encode_queries(self, texts: Sequence[str]) -> Encoding:
        found: dict[str, tuple[Floats, Floats]] = {}
        with self._lock:
            for text in texts:
                if text in self._cache:
                    self._cache.move_to_end(text)
                    found[text] = self._cache[text]
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            prefixed = [self._recipe.query_prefix + text for text in new]
            try:
                both = self._encode(prefixed + new)
            except RuntimeError as error:
                raise EncoderUnavailable("The encoder failed on the question.") from error
            for row, text in enumerate(new):
                found[text] = (both.vectors[row], both.states[len(new) + row])
            with self._lock:
                self._cache.update((text, found[text]) for text in new)
                while len(self._cache) > self._cached_queries:
                    self._cache.popitem(last=False)
        vectors = [found[text][0] for text in texts]
        states = tuple(found[text][1] for text in texts)
        return Encoding(np.array(vectors, np.float32).reshape(-1, self.dimension), states)

    def encode_passages(self, texts: Sequence[str]) -> Encoding:
        return self._encode(texts)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        # Pieces that begin at line breaks: no token of these models holds white space, and a batch of
        # pieces takes half the time of one long text.
        text = plain(text)
        cuts = [0]
        while len(text) - cuts[-1] > PIECE and (line := text.find("\n", cuts[-1] + PIECE)) > 0:
            cuts.append(line)
        pieces = [text[start:end] for start, end in pairwise([*cuts, len(text)])]
        found = self._whole.encode_batch(pieces, add_special_tokens=False)
        return [(cut + a, cut + b) for cut, piece in zip(cuts, found, strict=True) for a, b in piece.offsets]

    def _warm_up(self) -> None:
        """What only the first question would wait for is done when the model is loaded."""
        quantise(self._encode(["how many people live there"]).states[0])

    def _encode(self, texts: Sequence[str]) -> Encoding:
        tokens = self._cutting.encode_batch([plain(text) for text in texts])
        plan = batches([len(text.ids) for text in tokens], self._batch_tokens)
        vectors = np.zeros((len(tokens), self.dimension), np.float32)
        states: list[Floats] = [np.zeros((0, self.dimension), np.float32)] * len(tokens)

        def run(number: int) -> None:
            batch = plan[number]
            hidden = self._model.run([tokens[index] for index in batch])
            for row, index in enumerate(batch):
                size = len(tokens[index].ids)
                pooled = hidden[row, 0] if self._recipe.pooling == "cls" else hidden[row, :size].mean(axis=0)
                vectors[index] = unit(pooled)
                states[index] = unit(hidden[row, 1 : size - 1])

        in_parallel(run, len(plan), self._model.threads)
        return Encoding(vectors, tuple(states))
