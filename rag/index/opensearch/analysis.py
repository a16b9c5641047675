"""How the cluster comes by the terms of a text: from the client, or by a plugin that knows the script better.

The terms of most languages are made here, by `rag.index.analyzers`, and sent as words between spaces. So
both kinds of index rank alike, and a cluster that is upgraded goes on as before: Lucene's stemmers change
from version to version, and what was indexed by one cannot be found by the next. Where a cluster has the
plugins, Japanese is analysed there by kuromoji, Korean by nori, Chinese by smartcn, and the text of any
other language by ICU. Which of them an index uses is fixed when it is made. Each language has a field of
its own, so that BM25 has the statistics of one kind of terms.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

from rag.index.analyzers import LANGUAGES, PAIRED, passage_terms, terms
from rag.index.opensearch.cluster import Able

_OWN = {"words", "pairs"}
"""Terms made here, of words, or of pairs of characters where a language has no spaces."""
_PLUGIN = {"ja": "kuromoji", "ko": "nori", "zh": "smartcn", "plain": "icu"}
_ANALYZERS: dict[str, dict[str, Any]] = {
    "kuromoji": {"type": "kuromoji"},
    "nori": {"type": "nori"},
    "smartcn": {"type": "smartcn"},
    "icu": {"type": "custom", "tokenizer": "icu_tokenizer", "filter": ["icu_folding"]},
}


def field_of(language: str) -> str:
    """The field that holds the words of passages in this language."""
    return f"words_{language}"


def kinds(able: Able) -> dict[str, str]:
    """Language to what finds its terms in a new index: "pairs", "words", or the name of a plugin."""
    own = {language: "pairs" if language in PAIRED else "words" for language in LANGUAGES}
    return own | {language: plugin for language, plugin in _PLUGIN.items() if plugin in able.abilities}


def passage_text(analyzers: Mapping[str, str], text: str, language: str) -> str:
    """What is sent as the words of a passage to an index of these analyzers (`Meta.analyzers`)."""
    if prepared_by_client(analyzers, language):
        return " ".join(passage_terms(text, language))
    return unicodedata.normalize("NFKC", text)


def question_text(analyzers: Mapping[str, str], text: str, language: str) -> str:
    """What is matched with `field_of(language)` in an index of these analyzers (`Meta.analyzers`).

    Terms between spaces where they are made here; else words of a language without spaces may follow each
    other without one.
    """
    if prepared_by_client(analyzers, language):
        return " ".join(terms(text, language))
    return unicodedata.normalize("NFKC", text)


def prepared_by_client(analyzers: Mapping[str, str], language: str) -> bool:
    """Whether the terms of a text are made here. Raises `KeyError`: the index has no such field."""
    return analyzers[language] in _OWN


def analysis(able: Able) -> dict[str, Any]:
    """`settings.analysis` of a new index."""
    used = {kind for kind in kinds(able).values() if kind not in _OWN}
    own = {"type": "custom", "tokenizer": "whitespace"}
    return {"analyzer": {"terms": own, **{kind: _ANALYZERS[kind] for kind in sorted(used)}}}


def fields(able: Able) -> dict[str, Any]:
    """The mapping of the words, one field a language. Nothing asks for phrases: places are not kept."""
    return {
        field_of(language): {
            "type": "text",
            "analyzer": "terms" if kind in _OWN else kind,
            "index_options": "freqs",
        }
        for language, kind in kinds(able).items()
    }
