"""A cross-encoder as an ONNX file on the CPU: one raw logit a pair."""

import hashlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rag.errors import RerankUnavailable
from rag.onnx import OnnxModel, batches, in_parallel, plain, tokenizer
from rag.types import Passage, Scores

POSITIONS = 512
"""Positions of the models known here, special tokens included: what is longer loses its end."""
MAX_QUERY = 256
"""Tokens after which a question is cut, so that a pair keeps room for the passage."""
WINDOW = 16
"""Pairs tokenised at a time."""


def load(
    name: str,
    directory: Path,
    *,
    threads: int | None = None,
    batch_tokens: int = 1,
    digest: str | None = None,
) -> "OnnxReranker":
    """The cross-encoder in a model's folder: `model.onnx` and `tokenizer.json`. Raises `ModelError`.

    `digest` is the SHA-256 of `model.onnx`, where it is known already.
    """
    return OnnxReranker(
        name,
        directory / "model.onnx",
        directory / "tokenizer.json",
        threads=threads,
        batch_tokens=batch_tokens,
        digest=digest,
    )


def fingerprint(name: str, digest: str) -> str:
    """The fingerprint that a model will have, from its name and the SHA-256 of its `model.onnx`."""
    return f"{name}:{digest[:12]}:logit"


class OnnxReranker:
    """Scores pairs in the order given, and stops where the deadline would be passed."""

    def __init__(
        self,
        name: str,
        model_file: Path,
        tokenizer_file: Path,
        *,
        threads: int | None = None,
        batch_tokens: int = 1,
        digest: str | None = None,
    ) -> None:
        self._model = OnnxModel.load(model_file, output="logits", threads=threads)
        self._tokenizer = tokenizer(tokenizer_file, max_tokens=POSITIONS, only_second=True)
        self._question = tokenizer(tokenizer_file, max_tokens=MAX_QUERY)
        self._batch_tokens = batch_tokens
        digest = digest or hashlib.sha256(model_file.read_bytes()).hexdigest()
        self.fingerprint = fingerprint(name, digest)
        self._lock = threading.Lock()
        self._tokens_per_second = self._best_tokens_per_second = 0.0
        self._warm_up()

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        return self.score_texts(query, [passage.search_text for passage in passages], deadline=deadline)

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """One logit per text, in the order given; None for all after the last one there was time for.

        No text is begun that would not end in time, as far as can be foreseen. Raises `RerankUnavailable`
        where there are texts and not one could be scored.
        """
        began = time.monotonic()
        values: list[float | None] = [None] * len(texts)
        query = self._cut(query)
        late = threading.Event()
        for start in range(0, len(texts), WINDOW):
            if late.is_set() or time.monotonic() >= deadline:
                break
            self._score_window(query, texts[start : start + WINDOW], start, values, deadline, late)
        scored = values.index(None) if None in values else len(values)
        if texts and not scored:
            raise RerankUnavailable("The cross-encoder had no time left to score a single passage.")
        prefix = values[:scored] + [None] * (len(values) - scored)
        return Scores("logit", tuple(prefix), (time.monotonic() - began) * 1000)

    def _score_window(
        self,
        query: str,
        texts: Sequence[str],
        start: int,
        values: list[float | None],
        deadline: float,
        late: threading.Event,
    ) -> None:
        pairs = self._tokenizer.encode_batch([(query, plain(text)) for text in texts])
        lengths = [len(pair.ids) for pair in pairs]
        alone = self._batch_tokens <= 1
        plan = [[i] for i in range(len(pairs))] if alone else batches(lengths, self._batch_tokens)

        def run(number: int) -> None:
            batch = plan[number]
            tokens = len(batch) * max(lengths[index] for index in batch)
            began = time.monotonic()
            # The first of all is judged by the best speed seen: a mean that fell too low would never rise.
            first = start + number == 0
            speed = self._best_tokens_per_second if first else self._tokens_per_second
            if (late.is_set() and not first) or began + tokens / speed > deadline:
                late.set()
                return
            logits = self._model.run([pairs[index] for index in batch])
            self._learn(tokens, time.monotonic() - began)
            for index, logit in zip(batch, logits[:, 0], strict=True):
                values[start + index] = float(logit)

        try:
            in_parallel(run, len(plan), self._model.threads)
        except RuntimeError as error:
            raise RerankUnavailable("The cross-encoder failed on these passages.") from error

    def _cut(self, query: str) -> str:
        query = plain(query)
        tokens = self._question.encode(query)
        return query[: tokens.offsets[-2][1]] if len(tokens.ids) == MAX_QUERY else query

    def _learn(self, tokens: int, seconds: float) -> None:
        """Speed of one thread, as a running mean: it falls when others use the cores."""
        speed = tokens / max(seconds, 1e-6)
        with self._lock:
            self._tokens_per_second += 0.1 * (speed - self._tokens_per_second)
            self._best_tokens_per_second = max(self._best_tokens_per_second, speed)

    def _warm_up(self) -> None:
        pair = self._tokenizer.encode("how many people live there", "three and a half million people " * 16)
        self._model.run([pair])
        began = time.monotonic()
        self._model.run([pair])
        self._tokens_per_second = len(pair.ids) / max(time.monotonic() - began, 1e-6)
        self._best_tokens_per_second = self._tokens_per_second
