"""Long passages in windows: a model that reads 512 tokens judges a passage by its best part.

A passage longer than a window is cut into windows that overlap, each under the passage's title and headings,
and the best of them counts: MaxP (Dai and Callan 2019).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

from rag.errors import RerankUnavailable
from rag.rerank.base import Reranker, TextReranker
from rag.types import Passage, Scores, context_of, with_context

Offsets = Callable[[str], list[tuple[int, int]]]
"""A text → the character span of each of its tokens; `Encoder.offsets`."""


def windowed(reranker: TextReranker, offsets: Offsets, *, tokens: int, overlap: int) -> Reranker:
    """The reranker over windows of so many tokens. They are counted as the lengths of passages are."""
    return _Windowed(reranker, offsets, tokens, overlap)


class _Windowed:
    def __init__(self, reranker: TextReranker, offsets: Offsets, tokens: int, overlap: int) -> None:
        self.fingerprint = f"{reranker.fingerprint}:windows {tokens}/{overlap}"
        self._reranker, self._offsets = reranker, offsets
        self._tokens, self._overlap = tokens, overlap

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        """A passage has a score when each of its windows has one."""
        texts = [self._windows(passage) for passage in passages]
        flat = [text for windows in texts for text in windows]
        scores = self._reranker.score_texts(query, flat, deadline=deadline)
        usable = all(value is None or math.isfinite(value) for value in scores.values)
        if not usable or len(scores.values) != len(flat):
            raise RerankUnavailable("Its model gave scores that cannot be used.")
        given = iter(scores.values)
        values: list[float | None] = []
        for windows in texts:
            own = [next(given) for _ in windows]
            scored = [value for value in own if value is not None]
            values.append(max(scored) if len(scored) == len(own) else None)
        if passages and all(value is None for value in values):
            raise RerankUnavailable("There was no time to read a single passage to its end.")
        cut = sum(len(windows) for windows in texts if len(windows) > 1)
        spent = dataclasses.replace(scores.spent, windows=cut)
        return dataclasses.replace(scores, values=tuple(values), spent=spent)

    def _windows(self, passage: Passage) -> list[str]:
        """The texts that the model reads for this passage, from its beginning to its end."""
        if passage.tokens <= self._tokens:
            return [passage.search_text]
        spans = self._offsets(passage.text)
        head = len(self._offsets(context_of(passage.title, passage.headings)))
        size = max(self._tokens - head, self._tokens // 2, self._overlap + 1)
        step = size - self._overlap
        starts = range(0, max(len(spans) - self._overlap, 1), step)
        return [
            with_context(
                passage.title,
                passage.headings,
                passage.text[spans[start][0] : spans[min(start + size, len(spans)) - 1][1]],
            )
            for start in starts
            if spans
        ] or [passage.search_text]
