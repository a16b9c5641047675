"""Where in a passage a sentence of an answer comes from: the place that a reader lands on."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from rag.prompts.alike import words
from rag.sentences import Span, sentences

STEM = 5
"""Words are compared by so many letters, so that endings do not count; numbers whole."""
MORE = 0.25
"""The sentence beside the best one belongs to it where it brings so much of the claim's weight."""


def evidence(claim: str, text: str) -> Span:
    """The sentence of `text` that shares most with the claim, with one beside it that brings much more.

    A word counts the more the fewer sentences have it. Where nothing is shared it is the whole text. The
    same claim always gives the same place; of equal sentences it is the first.
    """
    spans, stems = _sentences(text)
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if not spans:
        return (start, end) if start < end else (0, len(text))
    holders = Counter(stem for of in stems for stem in of)
    weights = {
        stem: math.log(1 + len(spans) / holders[stem]) * (2 if stem[0].isdigit() else 1)
        for stem in sorted(set(_stems(claim)))
        if stem in holders
    }
    total = sum(weights.values())
    if not total:
        return start, end
    scores = [_score(of, weights) for of in stems]
    best = max(range(len(spans)), key=lambda i: (scores[i], -i))
    first = last = best
    for beside in (best - 1, best + 1):
        if 0 <= beside < len(spans):
            brings = sum(w for stem, w in weights.items() if stem in stems[beside] - stems[best])
            if brings >= MORE * total:
                first, last = min(first, beside), max(last, beside)
    return spans[first][0], spans[last][1]


def _score(of: frozenset[str], weights: dict[str, float]) -> float:
    """Shared weight; a long sentence has to share a little more than a short one."""
    shared = sum(w for stem, w in weights.items() if stem in of)
    return round(shared / math.sqrt(math.sqrt(len(of) + 8)), 9)


@lru_cache(maxsize=256)
def _sentences(text: str) -> tuple[Sequence[Span], Sequence[frozenset[str]]]:
    spans = tuple((a, b) for a, b in sentences(text) if any(c.isalnum() for c in text[a:b]))
    return spans, tuple(frozenset(_stems(text[a:b])) for a, b in spans)


def _stems(text: str) -> list[str]:
    return [word if word[0].isdigit() else word[:STEM] for word in words(text)]
