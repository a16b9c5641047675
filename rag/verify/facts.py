"""What a sentence states that can be looked up: numbers, units, names, and what it denies.

Rules for English, which do no harm elsewhere: a language without capitals has no names here, and one whose
words for "not" are not listed denies nothing.
"""

import re
import unicodedata

from rag.cjk import CJK_RUN
from rag.index.analyzers import passage_terms


def _list(words: str) -> list[str]:
    return re.findall(r"\w+", words)


_SMALL = _list("""
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
""")
_TENS = dict(zip(_list("thirty forty fifty sixty seventy eighty ninety"), range(30, 100, 10), strict=True))
WORDS = {word: str(value) for value, word in enumerate(_SMALL)} | {w: str(v) for w, v in _TENS.items()}
SCALES = ("hundred", "thousand", "million", "billion", "trillion")
_UNITS = {
    "%": "percent", "per cent": "percent", "percent": "percent", "percentage": "percent",
    **{scale: scale for scale in SCALES}, "bn": "billion", "mn": "million",
    "km": "kilometre", "kilometre": "kilometre", "kilometer": "kilometre", "mile": "mile", "mi": "mile",
    "metre": "metre", "meter": "metre", "m": "metre", "foot": "foot", "feet": "foot", "ft": "foot",
    "inch": "inch", "inche": "inch", "cm": "centimetre", "mm": "millimetre", "yard": "yard",
    "kg": "kilogram", "kilogram": "kilogram", "gram": "gram", "g": "gram", "pound": "pound", "lb": "pound",
    "ton": "ton", "tonne": "ton", "litre": "litre", "liter": "litre", "gallon": "gallon", "ml": "millilitre",
    "second": "second", "minute": "minute", "hour": "hour", "day": "day", "week": "week", "month": "month",
    "year": "year", "decade": "decade", "century": "century", "centurie": "century",
    "bc": "bc", "bce": "bc", "ad": "ad", "ce": "ad", "am": "am", "pm": "pm",
    "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte",
}  # fmt: skip
"""Word to unit; plural endings in s are taken off before."""
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?\d+(?:[.,’\u00a0\u202f]\d{3})*(?:[.,]\d+)?(?:st|nd|rd|th|s)?(?!\w)|\b[A-Za-z]+\b"
)
_AFTER = re.compile(r"\s*-?\s*(%|per cent\b|[A-Za-z]+)\.?")
_NAME = re.compile(r"[^\W\d_][\w’'&-]*")
_MONTHS = _list("""
    january february march april may june july august september october november december
""")
_NOT_ALONE = frozenset(
    _list("can don won isn wasn aren weren doesn didn wouldn couldn shouldn hasn haven hadn ain needn")
)
"""These deny only before an apostrophe and a t."""
_DENIES = _NOT_ALONE | frozenset(
    _list(
        "not no never none neither nor without cannot nobody nothing nowhere hardly lacks lack unlike unable"
    )
)
_TITLES = frozenset(_list("Dr Mr Mrs Ms Prof St Sir Mt"))
_STARTS = frozenset(
    _list("""
        when while although though however also besides unlike despite after before during since both many
        some most several another other such yes overall furthermore moreover therefore thus instead because
        according until once each every whether given like one two first second finally then today
    """)
)
SCOPE = 3
"""Content words after a denial that it may deny."""


def stems(text: str) -> list[str]:
    """Content words in order, stemmed, without stop words."""
    return passage_terms(text, "cjk" if CJK_RUN.search(text) else "en")


def numbers(text: str) -> dict[str, frozenset[str]]:
    """Number, in digits → the units that stand behind it in this text."""
    found: dict[str, set[str]] = {}
    text = unicodedata.normalize("NFKC", text)
    for match in _NUMBER.finditer(text):
        value = _value(match[0])
        if value is not None:
            after = _AFTER.match(text, match.end())
            found.setdefault(value, set()).update(_unit(after[1]) if after else ())
    return {value: frozenset(units) for value, units in found.items()}


def names(text: str) -> list[str]:
    """Capitalised words as they are written, less a possessive; the first of the text only before another."""
    words = list(_NAME.finditer(text))
    found = []
    for place, match in enumerate(words):
        word = re.sub(r"[’']s?$", "", match[0])
        if not any(c.isupper() for c in word) or word in _TITLES or not stems(word):
            continue
        next_one = words[place + 1] if place + 1 < len(words) else None
        alone = not (next_one and next_one[0][0].isupper() and text[match.end() : next_one.start()] == " ")
        begins = place == 0 or text[: match.start()].rstrip(" \"'“‘(*-").endswith((":", "!", "?", "\n"))
        low = word.casefold()
        if begins and word[1:].islower() and (alone or low in _STARTS or low.endswith("ly")):
            continue
        found.append(word)
    return found


def initials(text: str) -> frozenset[str]:
    """First letters of capitalised words in a row: "United States of America" gives us, sa, usa."""
    found: set[str] = set()
    for run in re.findall(r"(?:[^\W\d_a-z][\w’'-]*\.?(?:\s+(?:of|the|and|for)\b)*\s*){2,8}", text):
        first = "".join(w[0] for w in re.findall(r"\w+", run) if w[0].isupper()).casefold()
        found.update(first[i:j] for i in range(len(first)) for j in range(i + 2, len(first) + 1))
    return frozenset(found)


def denied(text: str) -> set[str]:
    """Stems that come right after a word that denies, before the sentence goes on elsewhere."""
    found: set[str] = set()
    for clause in re.split(r"[.;:!?,\n]", text):
        words = re.findall(r"[\w]+(?=[’']t\b)|\w+", clause)
        for place, word in enumerate(words):
            low = word.casefold()
            short = low in _NOT_ALONE and words[place + 1 : place + 2] in (["t"], ["T"])
            if low in _DENIES and (low not in _NOT_ALONE or short):
                after = [stem for stem in stems(" ".join(words[place + 1 : place + 8])) if len(stem) > 1]
                found.update(after[:SCOPE])
    return found


def _value(word: str) -> str | None:
    low = word.casefold()
    if not low[-1].isdigit() and not low[0].isdigit() and low[0] not in "+-":
        return WORDS.get(low) if low != "one" else None
    digits = re.sub(r"(?:st|nd|rd|th|s)$", "", low).lstrip("+-")
    digits = re.sub(r"[,’\u00a0\u202f](?=\d{3}(?!\d))", "", digits).replace(",", ".")
    digits = digits if digits.count(".") < 2 else digits.replace(".", "")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits.lstrip("0") or "0"


def _unit(word: str) -> tuple[str, ...]:
    low = word.casefold()
    unit = _UNITS.get(low) or _UNITS.get(low.removesuffix("s"))
    month = next((m for m in _MONTHS if low == m or (len(low) == 3 and m.startswith(low))), None)
    return tuple(one for one in (unit, month) if one)
