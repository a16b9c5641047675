"""A sentence against the sentences of its passages by a cross-encoder: the best logit counts.

Relevance is not entailment: a passage about the same thing scores high for a sentence that says the
opposite. `docs/decisions/0032-verification.md` has what that costs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rag.answers import Answer, Check
from rag.errors import GenerationUnavailable, RerankUnavailable
from rag.quotes import quotes
from rag.spec import VerifySpec
from rag.types import Passage, Scores
from rag.verify.claims import Claim
from rag.verify.settle import NO_TIME, Scored, checked

WHY_NOT = "No sentence of what it cites is close to it in meaning."


class SentenceScorer(Protocol):
    """The part of a cross-encoder that is needed here."""

    fingerprint: str

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores: ...


def build(spec: VerifySpec, load: Callable[[str, str, str], Any]) -> "RelevanceVerifier":
    return RelevanceVerifier(load("rerank", "onnx", spec.model), spec.threshold)


class RelevanceVerifier:
    """`threshold` is in logits of the cross-encoder."""

    def __init__(self, scorer: SentenceScorer, threshold: float) -> None:
        self._scorer, self._threshold = scorer, threshold
        self.fingerprint = f"relevance:{scorer.fingerprint}:{threshold}"

    def check(
        self, question: str, answer: Answer, context: Sequence[tuple[int, Passage]], *, deadline: float
    ) -> tuple[Check, ...]:
        def score(claim: Claim, passages: Sequence[Passage], until: float) -> Scored:
            values = relevance(self._scorer, claim.text, passages, until)
            best = max((value for value in values if value is not None), default=None)
            if None in values and (best is None or best < self._threshold):
                return Scored(None, NO_TIME)
            return Scored(best if best is not None else float("-inf"), WHY_NOT)

        try:
            return checked(answer, context, threshold=self._threshold, deadline=deadline, score=score)
        except RerankUnavailable as error:
            raise GenerationUnavailable(f"No sentence could be compared: {error}") from error


def relevance(
    scorer: SentenceScorer, text: str, passages: Sequence[Passage], deadline: float
) -> tuple[float | None, ...]:
    """The logit of each sentence of the passages for this one; None where time ran out. May be empty."""
    read = [quote.read for quote in quotes(passages)]
    return scorer.score_texts(text, read, deadline=deadline).values if read else ()
