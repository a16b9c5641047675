"""The package for LlamaIndex, with the real llama-index-core against a live server."""

import asyncio
import logging
from typing import Any

import pytest

from search_app.models import TraceRecord
from tests.integrations.conftest import Site

pytestmark = [pytest.mark.integrations, pytest.mark.models]

QUERY = "When does the ferry leave?"


def test_a_retriever_gives_nodes_with_what_they_are(site: Site) -> None:
    from llama_index.core.schema import MetadataMode
    from sieve_llama_index import SieveRetriever

    retriever = SieveRetriever(**site.where, collections=["notes"], top=2)
    found = retriever.retrieve(QUERY)
    assert len(found) == 2
    assert found[0].score is not None and found[1].score is not None and found[0].score >= found[1].score
    node = found[0].node
    assert "north pier" in node.get_content()
    assert node.ref_doc_id == str(node.metadata["document_id"])
    assert node.metadata["url"].startswith(f"{site.url}/documents/")
    assert node.metadata["degraded"] == []
    assert TraceRecord.objects.get(pk=node.metadata["trace_id"]).question == QUERY
    read = node.get_content(metadata_mode=MetadataMode.LLM)
    assert node.metadata["title"] in read and node.metadata["trace_id"] not in read
    assert asyncio.run(retriever.aretrieve(QUERY))[0].node.node_id == node.node_id


def test_filters_and_pipelines_reach_the_server(site: Site) -> None:
    from sieve_llama_index import SieveError, SieveRetriever

    only = SieveRetriever(**site.where, filters={"formats": ["csv"]}, pipeline="light").retrieve(QUERY)
    assert only and all("price" in found.node.get_content() for found in only)
    with pytest.raises(SieveError, match="There is no pipeline nowhere"):
        SieveRetriever(**site.where, pipeline="nowhere").retrieve(QUERY)


def nodes(*texts: str) -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]


def test_a_postprocessor_keeps_the_best(site: Site) -> None:
    from sieve_llama_index import SieveRerank

    given = nodes("Fish is sold at the market.", "The ferry leaves at nine.", "A granite tower.")
    rerank = SieveRerank(**site.where, top_n=2)
    best = rerank.postprocess_nodes(given, query_str=QUERY)
    assert best[0].node is given[1].node
    assert len(best) == 2
    assert 1 >= best[0].score > best[1].score >= 0
    assert given[1].score == 0.5, "what was given is not changed"
    assert rerank.postprocess_nodes([], query_str=QUERY) == []
    later = asyncio.run(rerank.apostprocess_nodes(given, query_str=QUERY))
    assert [one.score for one in later] == [one.score for one in best]
    assert site.key not in repr(rerank) and site.key not in rerank.to_json()
    with pytest.raises(ValueError, match="needs the query"):
        rerank.postprocess_nodes(given)


def test_a_query_engine_uses_both_and_its_events_tell(site: Site) -> None:
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler
    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine
    from llama_index.core.response_synthesizers import get_response_synthesizer
    from sieve_llama_index import SieveRerank, SieveRetriever

    heard: list[str] = []

    class Hears(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            heard.append(event.class_name())

    root = get_dispatcher("root")
    root.add_event_handler(Hears())
    try:
        engine = RetrieverQueryEngine(
            SieveRetriever(**site.where),
            node_postprocessors=[SieveRerank(**site.where, top_n=1)],
            response_synthesizer=get_response_synthesizer(llm=MockLLM()),
        )
        (source,) = engine.query(QUERY).source_nodes
    finally:
        root.event_handlers.pop()
    assert "north pier" in source.node.get_content()
    assert {"ReRankStartEvent", "ReRankEndEvent", "RetrievalEndEvent"} <= set(heard)


def test_while_sieve_is_away_the_order_is_kept_only_where_that_was_said(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    from sieve_llama_index import SieveError, SieveRerank, SieveUnavailable

    given = nodes("one", "two", "three")
    away = {"url": "http://127.0.0.1:9", "key": site.key}
    with pytest.raises(SieveUnavailable):
        SieveRerank(**away).postprocess_nodes(given, query_str=QUERY)
    with caplog.at_level(logging.WARNING):
        kept = SieveRerank(**away, required=False, top_n=2).postprocess_nodes(given, query_str=QUERY)
    assert kept == given[:2]
    assert "Not reranked" in caplog.text and site.key not in caplog.text
    with pytest.raises(SieveError, match="unknown, expired or revoked"):
        SieveRerank(url=site.url, key="sv_no_key").postprocess_nodes(given, query_str=QUERY)
