"""What might tell that the context answers a question: numbers, none of which needs another model run.

Each is what it is on every collection: shares, logits, cosines and their gaps. What came of them stands in
`docs/decisions/0033-refusal.md`; two of them are what `rag.refuse.evidence` weighs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.quotes import Quote
from rag.types import Passage, Ranking
from rag.verify.facts import names, numbers, stems

LEAST = -12.0
"""A logit lower than any: where there is nothing to score."""


@dataclass(frozen=True, slots=True)
class Features:
    sentence: float
    """Logit of the best sentence, of ten."""
    sentence_gap: float
    """How far the second sentence is below it, of ten."""
    near: float
    """Sentences within two logits of the best, as the inverse of their number."""
    passage: float
    """Logit of the best passage of the context, of ten; that of its best sentence where it has none."""
    passage_gap: float
    """How far the second passage is below the best, of ten."""
    cosine: float
    """Best cosine of question and passage."""
    cosine_gap: float
    """How far that is above the tenth."""
    words: float
    """Content words of the question that the best sentence has with its title, as a share."""
    anywhere: float
    """Those that its passage has."""
    names: float
    """Names of the question that stand in the best passage, as a share; 1 where there are none."""
    numbers: float
    """The same of its numbers."""
    kind: float
    """1: what the question asks for (a number, a time, a person, a place) could stand in the best sentence;
    0: it does not; a half where the question does not say."""
    agree: float
    """1: the first passage by words is the first by meaning, too."""


_NUMBER = re.compile(
    r"\b(?:how (?:many|much|old|long|tall|far|big|large|high|often)|when|which year|"
    r"what (?:percent|percentage|number|year|date|day|time))\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(?:who|whom|whose|where|which (?:person|country|city|company|team|school|man|woman))\b", re.IGNORECASE
)


NAMES = tuple(Features.__dataclass_fields__)


def features(
    question: str,
    context: Sequence[Passage],
    rankings: Sequence[Ranking],
    quotes: Sequence[Quote],
    logits: Sequence[float | None],
) -> Features:
    """`logits[i]` is the cross-encoder's for `quotes[i]`; None where it was not scored."""
    scored = sorted(
        ((value, quote) for value, quote in zip(logits, quotes, strict=True) if value is not None),
        key=lambda pair: -pair[0],
    )
    best = scored[0][0] if scored else LEAST
    quote = scored[0][1] if scored else None
    second = scored[1][0] if len(scored) > 1 else LEAST
    handed = {passage.id for passage in context}
    of_passages = sorted(
        (s for pid, s in _scores(rankings, "reranked", "logit") if pid in handed), reverse=True
    )
    cosines = [score for _, score in _scores(rankings, "knn", "cosine")]
    asked = set(stems(question))
    read = set(stems(quote.read)) if quote else set()
    where = quote.passage.search_text if quote else ""
    there = set(stems(where))
    called = [set(stems(name)) for name in names(question)]
    stated, found = numbers(question), numbers(where)
    tops = {r.stage: r.candidates[0].passage.id for r in rankings if r.candidates}
    return Features(
        sentence=best / 10,
        sentence_gap=min(best - second, 10.0) / 10,
        near=1 / max(1, sum(value > best - 2 for value, _ in scored)),
        passage=(of_passages[0] if of_passages else best) / 10,
        passage_gap=min(of_passages[0] - of_passages[1], 10.0) / 10 if len(of_passages) > 1 else 1.0,
        cosine=cosines[0] if cosines else 0.6,
        cosine_gap=cosines[0] - cosines[min(9, len(cosines) - 1)] if cosines else 0.1,
        words=_share(len(asked & read), len(asked)),
        anywhere=_share(len(asked & there), len(asked)),
        names=_share(sum(name <= there for name in called), len(called)),
        numbers=_share(sum(number in found for number in stated), len(stated)),
        kind=_kind(question, quote.text if quote else "", asked),
        agree=float("bm25" in tops and tops.get("bm25") == tops.get("knn")),
    )


def _scores(rankings: Sequence[Ranking], stage: str, kind: str) -> list[tuple[str, float]]:
    ranking = next((r for r in rankings if r.stage == stage and r.kind == kind), None)
    return [(c.passage.id, c.score) for c in ranking.candidates] if ranking else []


def _kind(question: str, sentence: str, asked: set[str]) -> float:
    """Whether the sentence has a number or a name that the question has not, where it asks for one."""
    if _NUMBER.search(question):
        return float(bool(set(numbers(sentence)) - set(numbers(question))))
    if _NAME.search(question):
        return float(any(not set(stems(name)) <= asked for name in names(sentence)))
    return 0.5


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
