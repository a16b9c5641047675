"""The bodies of the subqueries. All carry the filter of access inside; none holds query syntax."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rag.index.opensearch import layout
from rag.index.opensearch.analysis import field_of, prepared_by_client, question_text

MAX_CHARACTERS = 20_000
MAX_WORDS = 256
"""Of a longer question the first characters, and of those the first distinct words, are searched."""
CLAUSES = 960
"""Words times languages: a cluster refuses more than 1,024 clauses unless it is told otherwise."""
_UNSPACED = 800
"""Characters of a question whose words only the cluster can tell apart: each may become a clause."""
SERVER, CANCEL = 0.85, 0.92
"""Shares of a request's time after which the cluster is to end a search, and to drop it."""
WINDOW = 10_000
"""A cluster gives no more hits at once."""


def lexical(
    analyzers: Mapping[str, str], text: str, languages: Sequence[str], most: int = CLAUSES
) -> dict[str, Any] | None:
    """Any of the question's words in any of these languages; a repeated word counts as often.

    At most `most` clauses; None where no word is left.
    """
    text = text[:MAX_CHARACTERS].encode("utf-8", "ignore").decode("utf-8")
    known = [language for language in languages if language in analyzers]
    clauses: list[dict[str, Any]] = []
    for language in known:
        asked = question_text(analyzers, text, language)
        if not prepared_by_client(analyzers, language):
            asked = asked[: min(_UNSPACED, most) // len(known)]
        times = Counter(asked.split())
        kept = list(times)[: min(MAX_WORDS, most // len(known))]
        for count in sorted({times[word] for word in kept}):
            query = " ".join(word for word in kept if times[word] == count)
            match = {"query": query, "boost": float(count), "auto_generate_synonyms_phrase_query": False}
            clauses.append({"match": {field_of(language): match}})
    if not clauses:
        return None
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}}


def by_words(
    matching: Mapping[str, Any], collections: Sequence[str], clauses: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {"bool": {"must": [matching], "filter": [readable(collections), *clauses]}}


def by_meaning(
    vector: Sequence[float], near: int, collections: Sequence[str], clauses: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The `near` nearest passages of each shard's collections."""
    values = [float(value) for value in vector]
    only = readable(collections)
    inside = {"bool": {"filter": [only, *clauses]}} if clauses else only
    return {"knn": {layout.VECTOR: {"vector": values, "k": near, "filter": inside}}}


def readable(collections: Sequence[str]) -> dict[str, Any]:
    return {"terms": {"collection": list(collections)}}


def body(found: Mapping[str, Any], size: int, seconds: float, *, exactly: bool = False) -> dict[str, Any]:
    """Of a search for `size` hits by score that the cluster is to end by itself after that time.

    Equal scores stand in no order, so that the cluster may skip what cannot be among the best; `exactly`
    has them in order of passage id.
    """
    ordered = {"sort": [{"_score": "desc"}, {"id": "asc"}], "track_scores": True} if exactly else {}
    return {
        "size": min(size, WINDOW),
        "query": found,
        "_source": list(layout.STORED),
        "track_total_hits": False,
        "timeout": milliseconds(seconds),
        **ordered,
    }


def milliseconds(seconds: float) -> str:
    return f"{max(1, int(seconds * 1000))}ms"
