"""A follow-up made to stand alone by a rule, without a model: what it is about is added in brackets.

A question is a follow-up when it begins like one ("and …", "what about …"), when a pronoun stands in it
before anything that it could mean, when it is a piece without a verb ("in winter?"), or when it names no
topic at all ("why?"). What is added are the words of the question before it that name something, at most
`MOST`: those that were added to that one first. The rule knows English; a question in which it meets no
small word of English stands alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.rewrite.english import (
    ASKING,
    AUXILIARY,
    FUNCTION,
    JOINING,
    LIGHT,
    NOT_POINTED_AT,
    OPENINGS,
    POINTING,
    PREPOSITIONS,
    SHOWING,
    WEATHER,
)
from rag.types import Rewriting

MOST = 6
"""Words that are added."""
PIECE, SHORT = 6, 12
"""Words of a piece without a verb, at most, and of a question in which any "this" points back."""
NAME = "rule"

_WORD = re.compile(r"[^\W_]+(?:[-.&/][^\W_]+)*")
_ADDED = re.compile(r"\s\(([^()]*)\)\s*\Z")
_EMPTY_IT = re.compile(r"\bit\b(?:\s+\w+){0,3}?\s+(?:to|that|if|whether)\s+\w+", re.IGNORECASE)
""""How long does it take to boil an egg": this "it" means nothing."""


def words(text: str) -> list[str]:
    return [match[0] for match in _WORD.finditer(text.replace("’", "'"))]


def content(text: str) -> list[str]:
    """Words that name something, in order."""
    return [word for word in words(text) if word.lower() not in FUNCTION]


def follows(question: str) -> bool:
    """Whether this question cannot be understood without an earlier one."""
    said = [word.lower() for word in words(question)]
    if not any(word in FUNCTION for word in said):
        return False
    named = [word for word in said if word not in FUNCTION and word not in LIGHT]
    if not named or any(tuple(said[: len(opening)]) == opening for opening in OPENINGS):
        return True
    if len(named) <= 1 and "else" in said[1:2]:
        return True
    if len(said) <= PIECE and said[0] in PREPOSITIONS and not (ASKING | AUXILIARY).intersection(said):
        return True
    return _points_back(said, question)


def _points_back(said: Sequence[str], question: str) -> bool:
    """Whether a pronoun stands where nothing in the question can be what it means."""
    asked = next((place for place, word in enumerate(said) if word in AUXILIARY), 0)
    begins = asked if said[0] in ("how", "which", "what") else 0  # "how many films does he": films are not he
    joined, named = bool(JOINING.intersection(said[1:])), 0
    for place, word in enumerate(said):
        following = said[place + 1] if place + 1 < len(said) else ""
        before = said[place - 1] if place else ""
        if word in POINTING and (named == 0 or (named <= 2 and not following and not joined)):
            empty = word == "it" and (_EMPTY_IT.search(question) or WEATHER.intersection(said))
            if not empty:
                return True
        if word == "this" and len(said) <= SHORT and following not in NOT_POINTED_AT and not joined:
            return True
        if word in SHOWING and named == 0 and following not in NOT_POINTED_AT:
            if word == "there" and (following in AUXILIARY or before in AUXILIARY):
                continue  # "is there", "there are"
            if (
                word == "that"
                and following not in (AUXILIARY | {""})
                and before not in PREPOSITIONS | AUXILIARY
            ):
                continue
            return True
        if place >= begins and word not in FUNCTION and word not in LIGHT:
            named += 1  # from here on a pronoun may mean this
    return False


def topics(question: str, history: Sequence[str]) -> list[str]:
    """What the last question before this one that names anything is about, without what this one says."""
    known = {word.lower() for word in words(question)}
    for earlier in reversed(history):
        added = _ADDED.search(earlier)
        told = content(added[1]) if added else []
        told += content(earlier[: added.start()] if added else earlier)
        found: dict[str, str] = {}
        for word in told:
            if word.lower() not in known and word.lower() not in LIGHT:
                found.setdefault(word.lower(), word)
        if found:
            return list(found.values())[:MOST]
    return []


@dataclass(frozen=True, slots=True)
class RuleRewriter:
    fingerprint: str = NAME

    def rewrite(self, question: str, history: Sequence[str], *, deadline: float) -> Rewriting | None:
        if not history or not follows(question):
            return None
        about = topics(question, history)
        return Rewriting(f"{question.strip()} ({' '.join(about)})", NAME) if about else None


def build(spec: object, load: object) -> RuleRewriter:
    return RuleRewriter()
