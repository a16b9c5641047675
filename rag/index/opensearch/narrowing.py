"""What fits the filters of a question, looked up before its legs: as clauses that go inside each of them.

The words of a passage are indexed without their places, and its title not by itself. So the cluster gives
what has all the words of a phrase or a title, inside the filter of access, and `rag.index.fitting` has the
last word. No filter is ever query syntax: words go into `match`, ids into `terms`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import Struct, field

from rag.deadline import left
from rag.index import fitting
from rag.index.opensearch import layout, query
from rag.index.opensearch.analysis import field_of, prepared_by_client
from rag.index.opensearch.answers import Answer, Shards, failure, lacking, read, scored
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.plan import Plan
from rag.phrases import normal
from rag.types import Filters


class _Named(Struct):
    document_id: str
    title: str


class _Hit(Struct):
    source: _Named = field(name="_source")


class _Hits(Struct):
    hits: list[_Hit]


class _Titles(Struct):
    hits: _Hits
    shards: Shards = field(name="_shards")
    timed_out: bool = False


def narrow(cluster: Cluster, plan: Plan, filters: Filters, question: str, until: float) -> Plan:
    """The plan with the filters in it. Raises `IndexUnavailable` where the cluster does not say what fits."""
    clauses: list[dict[str, Any]] = []
    partial: list[str] = []
    if filters.documents:
        clauses.append({"terms": {"document_id": fitting.known_ids(filters.documents)}})
    if fitting.has_words(filters.title):
        documents, lacks = _titled(cluster, plan, filters.title, clauses, until)
        clauses.append({"terms": {"document_id": documents}})
        partial += lacks
    if phrases := [phrase for phrase in map(normal, filters.phrases) if phrase]:
        ids, lacks = _holding(cluster, plan, phrases, question, clauses, until)
        clauses.append({"terms": {"id": ids}})
        partial += lacks
    nothing = any(not values for clause in clauses for values in clause["terms"].values())
    return replace(plan, clauses=tuple(clauses), nothing=nothing, partial=" and ".join(partial))


def _titled(
    cluster: Cluster, plan: Plan, title: str, clauses: Sequence[dict[str, Any]], until: float
) -> tuple[list[str], list[str]]:
    """Ids of the documents whose title has these words, and clauses that say what may be missing."""
    asked = {
        "bool": {"must": [_having([title], plan)], "filter": [query.readable(plan.collections), *clauses]}
    }
    most = fitting.LOOKED_THROUGH
    body = {
        "size": most,
        "query": asked,
        "collapse": {"field": "document_id"},
        "_source": ["document_id", "title"],
        "track_total_hits": False,
    }
    found = read(_ask(cluster, plan, body, until), _Titles)
    documents = [hit.source for hit in found.hits.hits]
    lacks = [lacking(found.shards, found.timed_out)]
    if len(documents) == most:
        lacks.append(f"only {most:,} documents were looked through for the title")
    return [d.document_id for d in documents if fitting.title_fits(d.title, title)], [*filter(None, lacks)]


def _holding(
    cluster: Cluster,
    plan: Plan,
    phrases: Sequence[str],
    question: str,
    clauses: Sequence[dict[str, Any]],
    until: float,
) -> tuple[list[str], list[str]]:
    """Ids of the passages that have the phrases, the likeliest first, and what may be missing."""
    better = query.lexical(plan.version.meta.analyzers, question, plan.languages, query.CLAUSES // 2)
    asked = {
        "bool": {
            "must": [_having(phrases, plan)],
            "should": [better] if better else [],
            "filter": [query.readable(plan.collections), *clauses],
        }
    }
    most = fitting.LOOKED_THROUGH
    body = {
        "size": most + 1,
        "query": asked,
        "_source": list(layout.STORED),
        "track_total_hits": False,
    }
    answer = read(_ask(cluster, plan, body, until), Answer)
    if error := failure(answer):
        raise error
    assert answer.shards is not None
    passages = [passage for passage, _ in scored(answer, frozenset(plan.collections))]
    lacks = [lacking(answer.shards, answer.timed_out)]
    if len(passages) > most:
        lacks.append(fitting.cut_off(phrases))
    return [p.id for p in passages[:most] if fitting.has_phrases(p, phrases)], [*filter(None, lacks)]


def _having(texts: Sequence[str], plan: Plan) -> dict[str, Any]:
    """Passages with every term that they surely have, each by its own language, were that none."""
    analyzers = plan.version.meta.analyzers
    return {"bool": {"should": [_in(texts, language, analyzers) for language in plan.languages]}}


def _in(texts: Sequence[str], language: str, analyzers: Mapping[str, str]) -> dict[str, Any]:
    of = {"term": {"language": language}}
    known = language in analyzers and prepared_by_client(analyzers, language)
    every = fitting.sure_terms(texts, language)[: query.MAX_WORDS] if known else []
    if not every:
        return {"bool": {"must": [{"match_all": {}}], "filter": [of]}}
    match = {"query": " ".join(every), "operator": "and", "auto_generate_synonyms_phrase_query": False}
    return {"bool": {"must": [{"match": {field_of(language): match}}], "filter": [of]}}


def _ask(cluster: Cluster, plan: Plan, body: dict[str, Any], until: float) -> Any:
    def ask() -> Any:
        timed = body | {"timeout": query.milliseconds(left() * query.SERVER)}
        return cluster.call(
            lambda client: client.search(index=plan.version.name, body=timed, request_timeout=left())
        )

    return cluster.patiently(ask, until)
