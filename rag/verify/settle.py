"""What every verifier does with an answer: settle what needs no model, score the rest while there is time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answers import Answer, Check, Verdict
from rag.types import Passage
from rag.verify.claims import Claim, claims, leads_only, stands_verbatim

CITES_NOTHING = "It cites no passage."
CITES_UNKNOWN = "The passage that it cites was not handed over."
CLAIMS_NOTHING = "It claims nothing that a passage could carry."
NO_TIME = "There was no time left to check it."
LONGEST = 2000
"""Characters of a sentence that are checked; a longer one is no sentence."""
TOO_LONG = "It is too long to be checked as one sentence."


@dataclass(frozen=True, slots=True)
class Scored:
    """How well the cited passages carry a sentence, in the verifier's scale; None: there was no time."""

    value: float | None
    why_not: str
    """What speaks most against it, in plain words."""


Score = Callable[[Claim, Sequence[Passage], float], Scored]
"""A sentence, the passages that it cites (at least one), and the deadline → how well they carry it."""


def checked(
    answer: Answer,
    context: Sequence[tuple[int, Passage]],
    *,
    threshold: float,
    deadline: float,
    score: Score,
) -> tuple[Check, ...]:
    """One check for each sentence of the answer, in order."""
    passages = dict(context)
    return tuple(_check(c, passages, threshold, deadline, score) for c in claims(answer, context))


def _check(
    claim: Claim, passages: dict[int, Passage], threshold: float, deadline: float, score: Score
) -> Check:
    def said(verdict: Verdict, reason: str, value: float | None = None) -> Check:
        return Check(claim.span, verdict, claim.markers, value, reason)

    cited = [passages[marker] for marker in claim.markers if marker in passages]
    if not claim.markers:
        if leads_only(claim):
            return said("unchecked", CLAIMS_NOTHING)
        return said("unsupported", CITES_NOTHING)
    if not cited:
        return said("unsupported", CITES_UNKNOWN)
    if stands_verbatim(claim, cited):
        return said("supported", "")
    if len(claim.text) > LONGEST:
        return said("unchecked", TOO_LONG)
    if time.monotonic() >= deadline:
        return said("unchecked", NO_TIME)
    scored = score(claim, cited, deadline)
    if scored.value is None:
        return said("unchecked", scored.why_not or NO_TIME)
    if scored.value < threshold:
        return said("unsupported", scored.why_not, scored.value)
    return said("supported", "", scored.value)
