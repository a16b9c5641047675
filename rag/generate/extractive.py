"""An answer made of sentences of the passages, word for word: it can be short or missing, never invented.

The cross-encoder scores each sentence of the passages for the question. The best one is the answer, with
those that come close to it. The score of the best is the confidence, a logit: below `threshold` the answer
says that the documents do not answer. How threshold and margin were chosen stands in
`docs/decisions/0004-extractive-answer-and-refusal.md`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol

from rag.answers import Answer, Citation, Usage
from rag.errors import GenerationUnavailable, RerankUnavailable
from rag.events import Delta
from rag.generate.base import NO_ANSWER, Finished
from rag.sentences import sentences
from rag.spec import GenerateSpec
from rag.types import Passage, Scores, with_context

MARGIN = 2.0
"""How far below the best sentence, in logits, another one may be and still stand beside it."""


FRAGMENT = 12
"""A sentence of fewer characters and fewer than three words says nothing alone: it is read with the next."""


class SentenceScorer(Protocol):
    """The part of a cross-encoder that is needed here."""

    fingerprint: str

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores: ...


@dataclass(frozen=True, slots=True)
class _Sentence:
    marker: int
    passage: Passage
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.passage.text[self.start : self.end]


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
        found = _sentences(context)
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

    def _score(
        self, question: str, found: Sequence[_Sentence], deadline: float
    ) -> list[tuple[float, _Sentence]]:
        """Logits and sentences, best first; equal ones in the order of the context."""
        texts = [with_context(s.passage.title, s.passage.headings, s.text) for s in found]
        try:
            values = self._scorer.score_texts(question, texts, deadline=deadline).values
        except RerankUnavailable as error:
            raise GenerationUnavailable(f"No sentence could be chosen: {error}") from error
        scored = [(v, s) for v, s in zip(values, found, strict=True) if v is not None]
        return sorted(scored, key=lambda pair: -pair[0])

    def _finished(self, answer: Answer, context: Sequence[Passage]) -> Finished:
        # Tokens read; none is generated, since an answer is quoted.
        return Finished(answer, Usage(self._scorer.fingerprint, sum(p.tokens for p in context), 0))


def _sentences(context: Sequence[Passage]) -> list[_Sentence]:
    """Sentences in the order of the context; one that stands in several passages is taken once."""
    found: dict[str, _Sentence] = {}
    for marker, passage in enumerate(context, start=1):
        for start, end in _whole(passage.text):
            words = " ".join(passage.text[start:end].casefold().split())
            if any(letter.isalnum() for letter in words):
                found.setdefault(words, _Sentence(marker, passage, start, end))
    return list(found.values())


def _whole(text: str) -> Iterator[tuple[int, int]]:
    """Sentences, with fragments such as the word that a glossary explains joined to what follows in line."""
    begin: int | None = None
    spans = sentences(text)
    for (start, end), after in zip_longest(spans, spans[1:]):
        begin = start if begin is None else begin
        fragment = end - begin < FRAGMENT and len(text[begin:end].split()) < 3
        if fragment and after is not None and "\n" not in text[end : after[0]]:
            continue
        yield begin, end
        begin = None
