"""An answer made of sentences of the passages, word for word: it can be short or missing, never invented.

The cross-encoder scores each sentence of the passages for the question. The best one is the answer, with
those that come close to it. The score of the best is the confidence, a logit: below `threshold` the answer
says that the documents do not answer. How threshold and margin were chosen stands in
`docs/decisions/0004-extractive-answer-and-refusal.md`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from rag.answers import Answer, Citation, Usage
from rag.errors import GenerationUnavailable, RerankUnavailable
from rag.events import Delta
from rag.generate.base import NO_ANSWER, Finished
from rag.quotes import Quote, quotes
from rag.spec import GenerateSpec
from rag.types import Passage, Scores

MARGIN = 2.0
"""How far below the best sentence, in logits, another one may be and still stand beside it."""


class SentenceScorer(Protocol):
    """The part of a cross-encoder that is needed here."""

    fingerprint: str

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores: ...


def build(spec: GenerateSpec, load: Callable[[str, str, str], Any]) -> "ExtractiveGenerator":
    """The generator of a spec; `load(kind, backend, model)` gives the cross-encoder it names."""
    scorer: SentenceScorer = load("rerank", "onnx", spec.model)
    return ExtractiveGenerator(scorer, threshold=spec.threshold, max_sentences=spec.max_sentences)


class ExtractiveGenerator:
    def __init__(self, scorer: SentenceScorer, *, threshold: float, max_sentences: int) -> None:
        self._scorer = scorer
        self._threshold = threshold
        self._max_sentences = max_sentences
        self.fingerprint = f"extractive:{scorer.fingerprint}:{threshold}:{max_sentences}:{MARGIN}"

    def stream(
        self, question: str, context: Sequence[Passage], *, deadline: float
    ) -> Iterator[Delta | Finished]:
        """A sentence and its marker a piece, best first.

        When the time ends before every sentence is scored, the first passages were scored, and the
        answer is chosen among their sentences. Raises `GenerationUnavailable` when none was.
        """
        found = quotes(context)
        scored = self._score(question, found, deadline) if found else []
        best = scored[0][0] if scored else None
        if best is None or best < self._threshold:
            yield Delta(NO_ANSWER)
            yield self._finished(Answer(NO_ANSWER, (), "no_answer", best), context)
            return
        text = ""
        citations: list[Citation] = []
        for logit, sentence in scored[: self._max_sentences]:
            if logit < max(best - MARGIN, self._threshold):
                break
            begin = len(text) + (2 if text else 1)
            quoted = (" " if text else "") + f"“{sentence.text}” [{sentence.marker}]"
            text += quoted
            first = sentence.passage.span[0]
            citations.append(
                Citation(
                    marker=sentence.marker,
                    passage_id=sentence.passage.id,
                    span=(first + sentence.start, first + sentence.end),
                    answer_span=(begin, begin + len(sentence.text)),
                )
            )
            yield Delta(quoted, (citations[-1],))
        yield self._finished(Answer(text, tuple(citations), "answered", best), context)

    def count(self, texts: Sequence[str]) -> None:
        """Nothing is written, so no tokenizer of its own counts."""

    def _score(self, question: str, found: Sequence[Quote], deadline: float) -> list[tuple[float, Quote]]:
        """Logits and sentences, best first; equal ones in the order of the context."""
        try:
            values = self._scorer.score_texts(
                question, [quote.read for quote in found], deadline=deadline
            ).values
        except RerankUnavailable as error:
            raise GenerationUnavailable(f"No sentence could be chosen: {error}") from error
        scored = [(v, s) for v, s in zip(values, found, strict=True) if v is not None]
        return sorted(scored, key=lambda pair: -pair[0])

    def _finished(self, answer: Answer, context: Sequence[Passage]) -> Finished:
        # Tokens read; none is generated, since an answer is quoted.
        return Finished(answer, Usage(self._scorer.fingerprint, sum(p.tokens for p in context), 0))
