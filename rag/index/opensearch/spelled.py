"""Passages with a word that is spelled almost like another, found by the cluster's own fuzzy query."""

from rag.deadline import left
from rag.errors import IndexUnavailable
from rag.index.analyzers import single_term
from rag.index.opensearch import layout, query
from rag.index.opensearch.analysis import field_of, prepared_by_client
from rag.index.opensearch.answers import Answer, failure, read, scored
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.plan import Plan
from rag.spelling import distance
from rag.types import Passage

EXPANSIONS = 50
"""Terms of the index, of any collection, that are tried. Passages are of those that may be read."""


def spelled_alike(cluster: Cluster, plan: Plan, word: str, k: int, until: float) -> tuple[Passage, ...]:
    """At most `k`, the nearest in spelling first. Raises `IndexUnavailable`."""
    analyzers = plan.version.meta.analyzers
    clauses = [
        {
            "fuzzy": {
                field_of(language): {
                    "value": term,
                    "fuzziness": distance(word),
                    "prefix_length": 1,
                    "max_expansions": EXPANSIONS,
                    "transpositions": True,
                }
            }
        }
        for language in plan.languages
        if language in analyzers and prepared_by_client(analyzers, language)
        for term in single_term(word, language)
    ]
    if not clauses or not plan.collections:
        return ()
    found = query.by_words({"bool": {"should": clauses, "minimum_should_match": 1}}, plan.collections, ())

    def ask() -> object:
        body = {
            "size": k,
            "query": found,
            "_source": list(layout.STORED),
            "track_total_hits": False,
            "timeout": query.milliseconds(left() * query.SERVER),
        }
        return cluster.call(
            lambda client: client.search(index=plan.version.name, body=body, request_timeout=left())
        )

    answer = read(cluster.patiently(ask, until), Answer)
    if error := failure(answer):
        raise IndexUnavailable(str(error))
    return tuple(passage for passage, _ in scored(answer, frozenset(plan.collections)))
