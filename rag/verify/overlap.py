"""A sentence against its passages by words, numbers, names and what is denied. No model; under a millisecond.

What is compared (`Features`) is weighed into how likely it is that the passages carry the sentence, 0 to 1.
The weights were fitted by `benchmarks/verify_study.py` on half of the questions, but for that of the words,
which was set by hand on the same half; `docs/decisions/0032-verification.md` has what they find on the other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from rag.answers import Answer, Check
from rag.sentences import sentences
from rag.spec import VerifySpec
from rag.types import Passage
from rag.verify.claims import Claim
from rag.verify.facts import denied, initials, names, numbers, stems
from rag.verify.settle import Scored, checked

NEAR = 8
"""Content words within which two that are neighbours in the sentence must stand in a passage."""
WINDOW = 2
"""Sentences of a passage that are read as one place."""


ANY = 0.25
"""Share of its words that a sentence may have of its own before that speaks against it."""


@dataclass(frozen=True, slots=True)
class Features:
    """What speaks against a sentence; 0: nothing. Shares are of the sentence's own."""

    words: float
    """Content words that stand in none of the passages: 0 up to a quarter of them, 1 from the half on."""
    apart: float
    """Neighbouring content words that are nowhere near each other in the passages."""
    numbers: float
    """1: a number stands nowhere, or with another unit."""
    names: float
    """1: a name stands nowhere."""
    elsewhere: float
    """Names and numbers that do not stand in the best place, as a share."""
    denial: float
    """1: it denies what the best place does not, or the other way round."""


@dataclass(frozen=True, slots=True)
class Held:
    """A sentence held against its passages."""

    features: Features
    missing: tuple[str, ...]
    """Numbers and names that no cited passage has."""


NAMES = tuple(Features.__dataclass_fields__)
BIAS = 1.43
WEIGHTS = (-1.0, -0.53, -3.48, -2.05, -1.29, -2.38)
FITTED = 1
"""Counted up with the weights: part of the fingerprint."""


def build(spec: VerifySpec, load: Callable[[str, str, str], Any]) -> "OverlapVerifier":
    return OverlapVerifier(spec.threshold)


class OverlapVerifier:
    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self.fingerprint = f"overlap:{FITTED}:{threshold}"

    def check(
        self, question: str, answer: Answer, context: Sequence[tuple[int, Passage]], *, deadline: float
    ) -> tuple[Check, ...]:
        return checked(answer, context, threshold=self._threshold, deadline=deadline, score=score)


def score(claim: Claim, passages: Sequence[Passage], deadline: float) -> Scored:
    held = hold(claim.text, passages)
    return Scored(carried(held.features), why_not(held))


def carried(features: Features) -> float:
    """How likely it is that the passages carry a sentence, from 0 to 1."""
    against = sum(w * f for w, f in zip(WEIGHTS, astuple(features), strict=True))
    return 1 / (1 + math.exp(-(BIAS + against)))


def why_not(held: Held) -> str:
    """What speaks most against the sentence."""
    features = held.features
    if held.missing:
        said = ", ".join(f"“{one}”" for one in held.missing[:3])
        return f"What it cites does not have {said}."
    if features.numbers:
        return "What it cites has its numbers with other units."
    if features.denial:
        return "It denies what its passage does not deny, or the other way round."
    if features.words:
        return "Too many of its words do not stand in what it cites."
    return "Its words stand in what it cites, but in different places."


def hold(text: str, passages: Sequence[Passage]) -> Held:
    """Compare a sentence with all that it cites."""
    mine = stems(text)
    read = [passage.search_text for passage in passages]
    theirs = [stems(one) for one in read]
    everywhere = {stem for one in theirs for stem in one}
    said = set(mine)
    place = _best_place(said, passages)
    here = set(stems(place))

    own = _share(len(said - everywhere), len(said))
    stated, there = numbers(text), _merged([numbers(one) for one in read])
    lost = [n for n in stated if n not in there]
    shifted = [n for n, units in stated.items() if n in there and units and there[n] and not units & there[n]]
    called = [(name, stems(name)) for name in dict.fromkeys(names(text))]
    short = frozenset[str]().union(*map(initials, read))
    unknown = [n for n, parts in called if not set(parts) <= everywhere and n.casefold() not in short]
    local = numbers(place)
    away = [n for n in stated if n not in local] + [n for n, parts in called if not set(parts) <= here]
    return Held(
        Features(
            words=min(1.0, max(0.0, own - ANY) / ANY),
            apart=_apart(mine, theirs),
            numbers=float(bool(lost or shifted)),
            names=float(bool(unknown)),
            elsewhere=_share(len(away), len(stated) + len(called)),
            denial=_denial(text, place, said & here),
        ),
        (*lost, *unknown),
    )


def _best_place(said: set[str], passages: Sequence[Passage]) -> str:
    """The sentences of one passage that share most words with it, the fewest that do; under its heading."""
    best, most = "", -1.0
    for passage in passages:
        spans = sentences(passage.text)
        parts = [set(stems(passage.text[start:end])) for start, end in spans]
        for at in range(len(spans)):
            for last in range(at, min(at + WINDOW, len(spans))):
                shared = len(said & set().union(*parts[at : last + 1])) - 0.5 * (last - at)
                if shared > most:
                    text = passage.text[spans[at][0] : spans[last][1]]
                    best, most = f"{passage.title}\n{text}" if passage.title else text, shared
    return best


def _apart(mine: Sequence[str], theirs: Sequence[Sequence[str]]) -> float:
    places: list[dict[str, list[int]]] = []
    for one in theirs:
        at: dict[str, list[int]] = {}
        for number, stem in enumerate(one):
            at.setdefault(stem, []).append(number)
        places.append(at)
    pairs = [(a, b) for a, b in zip(mine, mine[1:], strict=False) if a != b]
    apart = sum(
        not any(abs(i - j) <= NEAR for at in places for i in at.get(a, ()) for j in at.get(b, ()))
        for a, b in pairs
    )
    return _share(apart, len(pairs))


def _denial(text: str, place: str, shared: set[str]) -> float:
    """Whether a word that both have is denied in one of them alone."""
    mine, theirs = denied(text) & shared, denied(place) & shared
    return float(bool((mine and not theirs) or (theirs and not mine)))


def _merged(found: Sequence[dict[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    merged: dict[str, frozenset[str]] = {}
    for one in found:
        for number, units in one.items():
            merged[number] = merged.get(number, frozenset()) | units
    return merged


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
