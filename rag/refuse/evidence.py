"""Weighs what was found: the best sentence's logit, and the best cosine of question and passage.

The best sentence is found as the extractive generator finds it: by the same cross-encoder over the same
sentences, so that a cache of scores has them for whichever of the two asks second. The weights were fitted by
`benchmarks/weigh_study.py` on one half of the articles of a collection whose questions partly have no answer;
`docs/decisions/0033-refusal.md` has what they find on the other half and elsewhere, and what else was tried.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rag.answers import Confidence
from rag.errors import GenerationUnavailable, RerankUnavailable
from rag.quotes import quotes
from rag.spec import RefuseSpec
from rag.types import Passage, Ranking, Scores

LEAST = -12.0
"""A logit lower than any: where there is no sentence to score."""
NEAR = 0.7
"""Cosine of a usual question and its passage: where nothing was searched by meaning."""
BIAS, SENTENCE, COSINE = -2.602, 0.1834, 2.487
FITTED = 1
"""Counted up with the weights: part of the fingerprint."""


class SentenceScorer(Protocol):
    """The part of a cross-encoder that is needed here."""

    fingerprint: str

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores: ...


def build(spec: RefuseSpec, load: Callable[[str, str, str], Any]) -> "EvidenceJudge":
    return EvidenceJudge(load("rerank", "onnx", spec.model))


class EvidenceJudge:
    def __init__(self, scorer: SentenceScorer) -> None:
        self._scorer = scorer
        self.fingerprint = f"evidence:{FITTED}:{scorer.fingerprint}"

    def weigh(
        self, question: str, context: Sequence[Passage], rankings: Sequence[Ranking], *, deadline: float
    ) -> Confidence:
        """Raises `GenerationUnavailable` where no sentence could be scored in time."""
        found = quotes(context)
        logits: tuple[float | None, ...] = ()
        if found:
            try:
                texts = [quote.read for quote in found]
                logits = self._scorer.score_texts(question, texts, deadline=deadline).values
            except RerankUnavailable as error:
                raise GenerationUnavailable(f"its sentences could not be scored: {error}") from error
        best = max((value for value in logits if value is not None), default=LEAST)
        cosine = max((score for score in _cosines(rankings)), default=NEAR)
        return Confidence(likely(best, cosine), {"sentence": best, "cosine": cosine})


def likely(sentence: float, cosine: float) -> float:
    """How likely the context answers, from 0 to 1."""
    total = BIAS + SENTENCE * sentence + COSINE * cosine
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, total))))


def _cosines(rankings: Sequence[Ranking]) -> list[float]:
    found = (r for r in rankings if r.stage == "knn" and r.kind == "cosine")
    return [candidate.score for ranking in found for candidate in ranking.candidates[:1]]
