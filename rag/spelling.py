"""A word that no passage has, and the word of a passage that was probably meant."""

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

WORD = re.compile(r"[^\W\d_]{3,40}")
SHORTEST = 4
"""Letters of a word that is looked at; a shorter one has too many neighbours."""
ALIKE = 0.75
"""Share of letters in common, in order, that two words need (Ratcliff and Obershelp 1988)."""


def words(question: str, most: int) -> list[str]:
    """The first words of a question that may be misspelled, each once; not names such as `x-77` or `3M`."""
    found = (match for match in WORD.finditer(question))
    plain = (m[0] for m in found if not _joined(question[m.start() - 1 : m.start()], question[m.end() :][:1]))
    return list(dict.fromkeys(word for word in plain if len(word) >= SHORTEST))[:most]


def _joined(before: str, after: str) -> bool:
    return any(c.isalnum() or c in "_-@/'’" for c in (before, after) if c)


def distance(word: str) -> int:
    """How many letters may differ."""
    return 1 if len(word) < 6 else 2


def nearest(word: str, texts: Iterable[str]) -> str | None:
    """The word of these texts most like this one, the more frequent of equals; None where none is near."""
    wanted = word.casefold()
    counts = Counter(
        found[0].casefold() for text in texts for found in WORD.finditer(text) if _near(found[0], wanted)
    )
    scored = [(SequenceMatcher(None, wanted, other).ratio(), counts[other], other) for other in counts]
    likely = [one for one in scored if one[0] >= ALIKE and one[2] != wanted]
    return max(likely)[2] if likely else None


def _near(found: str, wanted: str) -> bool:
    return found[0].casefold() == wanted[0] and abs(len(found) - len(wanted)) <= 2


def replaced(question: str, meant: dict[str, str]) -> str:
    """The question with these words in the place of those typed; a capital stays a capital."""

    def put(match: re.Match[str]) -> str:
        word = meant.get(match[0])
        if word is None:
            return match[0]
        if match[0].isupper():
            return word.upper()
        return word.capitalize() if match[0][0].isupper() else word

    return WORD.sub(put, question)
