"""Scores under a deadline, over any model that scores pairs: what is begun is what will end in time."""

import threading
import time
from collections.abc import Sequence

from rag.errors import RerankUnavailable
from rag.onnx import batches
from rag.parallel import in_parallel
from rag.rerank.base import ByText, Pair, PairModel
from rag.types import Scores, Spent

WINDOW = 16
"""Pairs tokenised at a time, where one is run at a time."""


class PairReranker(ByText):
    """Scores pairs in the order given, and stops where the deadline would be passed."""

    def __init__(self, model: PairModel) -> None:
        self.model = model
        self.fingerprint = model.fingerprint
        self._lock = threading.Lock()
        self._tokens_per_second = self._best_tokens_per_second = 0.0
        self._warm_up()

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """One score per text, in the order given; None for all after the last one there was time for.

        No text is begun that would not end in time, as far as can be foreseen. Raises `RerankUnavailable`
        where there are texts and not one could be scored.
        """
        began = time.monotonic()
        values: list[float | None] = [None] * len(texts)
        late = threading.Event()
        tokens = 0
        window = max(WINDOW, self.model.batch_tokens // 64)
        for start in range(0, len(texts), window):
            if late.is_set() or time.monotonic() >= deadline:
                break
            pairs = self.model.pairs(query, texts[start : start + window])
            tokens += self._score_window(pairs, start, values, deadline, late)
        scored = values.index(None) if None in values else len(values)
        if texts and not scored:
            with self._lock:  # or a process that began in a slow moment would never score at all
                self._best_tokens_per_second *= 1.25
            raise RerankUnavailable("The cross-encoder had no time left to score a single passage.")
        prefix = values[:scored] + [None] * (len(values) - scored)
        spent = Spent(texts=scored, tokens=tokens, precision=self.model.precision)
        return Scores(self.model.kind, tuple(prefix), (time.monotonic() - began) * 1000, spent)

    def _score_window(
        self,
        pairs: Sequence[Pair],
        start: int,
        values: list[float | None],
        deadline: float,
        late: threading.Event,
    ) -> int:
        """Fill in the values of one window; gives how many tokens were run."""
        lengths = [pair.tokens for pair in pairs]
        alone = self.model.batch_tokens <= 1
        plan = [[i] for i in range(len(pairs))] if alone else batches(lengths, self.model.batch_tokens)
        ran: list[int] = []

        def run(number: int) -> None:
            batch = plan[number]
            tokens = len(batch) * max(lengths[index] for index in batch)
            began = time.monotonic()
            # The first of all is judged by the best speed of late: a mean that fell too low would never rise.
            first = start + number == 0
            speed = self._best_tokens_per_second if first else self._tokens_per_second
            if (late.is_set() and not first) or began + tokens / speed > deadline:
                late.set()
                return
            scores = self.model.run([pairs[index] for index in batch])
            self._learn(tokens, time.monotonic() - began)
            ran.append(tokens)
            for index, score in zip(batch, scores, strict=True):
                values[start + index] = score

        try:
            in_parallel(run, len(plan), self.model.lanes)
        except (RuntimeError, MemoryError) as error:
            raise RerankUnavailable("The cross-encoder failed on these passages.") from error
        return sum(ran)

    def _learn(self, tokens: int, seconds: float) -> None:
        """Speed of one lane, as a running mean: it falls when others use the cores."""
        speed = tokens / max(seconds, 1e-6)
        with self._lock:
            self._tokens_per_second += 0.1 * (speed - self._tokens_per_second)
            self._best_tokens_per_second = max(0.99 * self._best_tokens_per_second, speed)

    def _warm_up(self) -> None:
        pairs = self.model.pairs("how many people live there", ["three and a half million people " * 16])
        self.model.run(pairs)
        began = time.monotonic()
        self.model.run(pairs)
        self._tokens_per_second = pairs[0].tokens / max(time.monotonic() - began, 1e-6)
        self._best_tokens_per_second = self._tokens_per_second
