"""What a question puts into quotation marks, and whether a text has it word for word."""

import re
import unicodedata

from rag.cjk import CJK_RUN

MOST = 5
"""Phrases of one question; more are words like all others."""
LONGEST = 200
"""Characters of a phrase; a longer one is a quotation, not a search for its words."""

_INSIDE = r"[^\"“”„«»「」『』]{1,400}"
_QUOTED = re.compile(
    rf"“({_INSIDE})”|„({_INSIDE})[“”]|«({_INSIDE})»|»({_INSIDE})«|「({_INSIDE})」|『({_INSIDE})』"
    rf"|(?<!\w)\"(?!\s)({_INSIDE})(?<!\s)\"(?!\w)"  # a straight mark behind a digit is an inch
)
_ALIKE = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})


def quoted(question: str) -> tuple[str, ...]:
    """What stands between marks that open and close, as it was typed, each once, at most `MOST`.

    Single marks are apostrophes. What has no letter and no digit is nothing.
    """
    found = (" ".join(next(filter(None, match.groups())).split()) for match in _QUOTED.finditer(question))
    kept = [p for p in found if len(p) <= LONGEST and any(c.isalnum() for c in p)]
    return tuple(dict.fromkeys(kept))[:MOST]


def normal(text: str) -> str:
    """The form in which texts are compared: NFKC, no case, one blank for any white space, one apostrophe."""
    folded = unicodedata.normalize("NFKC", text).translate(_ALIKE).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def stands_in(phrase: str, text: str) -> bool:
    """Whether the phrase stands in the text and begins and ends where words do; both are `normal`.

    Chinese, Japanese and Korean have no such edges.
    """
    if not phrase:
        return True
    at = text.find(phrase)
    while at >= 0:
        end = at + len(phrase)
        if not (_joined(text[at - 1 : at + 1]) if at else False) and not _joined(text[end - 1 : end + 1]):
            return True
        at = text.find(phrase, at + 1)
    return False


def _joined(pair: str) -> bool:
    """Whether these two characters are of one word."""
    return len(pair) == 2 and all(_of_word(c) for c in pair) and not any(CJK_RUN.match(c) for c in pair)


def _of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")
