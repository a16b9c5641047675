"""How text becomes terms, one analyzer a language; questions and passages go through the same one.

Text is put into NFKC first, so that full-width letters and the ligatures of PDF files are found as plain
ones. Words are runs of letters, marks and digits, in lower case; stop words are dropped, the rest is
stemmed and loses its accents. Chinese, Japanese and Korean have no analyzer of words here: their runs
are cut into overlapping pairs of characters. Each of them has a code of its own for the clusters that
have an analyzer of its words.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import tantivy

from rag.cjk import CJK_RUN

LANGUAGES = {
    "ar": "Arabic",
    "cjk": "Chinese, Japanese, Korean (mixed)",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hu": "Hungarian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "plain": "Any other (no stemming)",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "ta": "Tamil",
    "tr": "Turkish",
    "zh": "Chinese",
}
"""Code to name of every language that a collection can have."""

DEFAULT_LANGUAGE = "en"
MAX_TERM_BYTES = 200
"""Longer runs of letters (encoded data, mostly) are not searchable by words."""

PAIRED = {"cjk", "ja", "ko", "zh"}
"""Languages whose runs of characters are cut into pairs."""
_UNSTEMMED = {*PAIRED, "plain"}
_WITHOUT_STOP_WORDS = {"ar", "el", "ro", "ta", "tr"}
_WORD = r"[\p{L}\p{M}\p{N}]+"


def check_language(language: str) -> str:
    """The language itself. Raises `ValueError` naming those there are."""
    if language not in LANGUAGES:
        raise ValueError(f"There is no language {language!r}; there are: {', '.join(LANGUAGES)}.")
    return language


@lru_cache(maxsize=len(LANGUAGES))
def analyzer(language: str) -> tantivy.TextAnalyzer:
    """The analyzer of text that `prepare` has gone over. An index needs it registered at every open."""
    name = LANGUAGES[check_language(language)].lower()
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(_WORD))
    builder = builder.filter(tantivy.Filter.remove_long(MAX_TERM_BYTES)).filter(tantivy.Filter.lowercase())
    if language not in _UNSTEMMED:
        if language not in _WITHOUT_STOP_WORDS:
            builder = builder.filter(tantivy.Filter.stopword(name))
        builder = builder.filter(tantivy.Filter.stemmer(name))
    return builder.filter(tantivy.Filter.ascii_fold()).build()


def prepare(text: str, language: str) -> str:
    """The text of a passage as it is given to `analyzer`."""
    text = unicodedata.normalize("NFKC", text)
    if language in PAIRED:
        return CJK_RUN.sub(lambda run: " " + " ".join(_pieces(run[0])) + " ", text)
    return text


def prepare_question(text: str, language: str) -> str:
    """The text of a question as it is given to `analyzer`. Halves of surrogate pairs are nothing."""
    text = unicodedata.normalize("NFKC", text.encode("utf-8", "ignore").decode("utf-8"))
    if language in PAIRED:
        return CJK_RUN.sub(lambda run: " " + " ".join(_pairs(run[0])) + " ", text)
    return text


def terms(text: str, language: str) -> list[str]:
    """The terms of a question, in order, repetitions kept; not those whose stem is nothing."""
    found: list[str] = analyzer(language).analyze(prepare_question(text, language))
    return [term for term in found if term]


def single_term(word: str, language: str) -> list[str]:
    """The one term that this word is, in a list; nothing where it is none, or several."""
    found = [] if language in PAIRED else terms(word, language)
    return found if len(found) == 1 else []


def passage_terms(text: str, language: str) -> list[str]:
    """The terms of a passage, in order, repetitions kept; not those whose stem is nothing."""
    found: list[str] = analyzer(language).analyze(prepare(text, language))
    return [term for term in found if term]


def _pairs(run: str) -> Iterator[str]:
    """Overlapping pairs of characters; a run of one is itself."""
    if len(run) == 1:
        yield run
    for start in range(len(run) - 1):
        yield run[start : start + 2]


def _pieces(run: str) -> Iterator[str]:
    """Pairs and single characters, so that a question of one character finds it inside longer runs."""
    yield from run
    if len(run) > 1:
        yield from _pairs(run)
