"""How much of a text's words stands in another: by runs of three words (Broder 1997)."""

import re

Shingles = frozenset[tuple[str, ...]]
_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")
"""Words; of scripts without spaces, characters."""
LENGTH = 3


def words(text: str) -> list[str]:
    return _WORDS.findall(text.casefold())


def shingles(text: str) -> Shingles:
    """Runs of three words; of a shorter text, the text."""
    found = words(text)
    if len(found) < LENGTH:
        return frozenset([tuple(found)] if found else [])
    return frozenset(zip(found, found[1:], found[2:], strict=False))


def shared(of: Shingles, other: Shingles) -> float:
    """Share of the first one's runs that are among the other's: 1 where it says nothing of its own."""
    return len(of & other) / len(of) if of else 0.0
