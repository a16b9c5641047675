"""The package for LangChain, with the real langchain-core against a live server."""

import asyncio
import logging

import pytest

from search_app.models import TraceRecord
from tests.integrations.conftest import Site

pytestmark = [pytest.mark.integrations, pytest.mark.models]

QUERY = "When does the ferry leave?"


def test_a_retriever_gives_passages_with_what_they_are(site: Site) -> None:
    from sieve_langchain import SieveRetriever

    retriever = SieveRetriever(**site.where, collections=["notes"], top=2)
    found = retriever.invoke(QUERY)
    assert len(found) == 2
    first = found[0]
    assert "north pier" in first.page_content
    assert first.metadata["title"] and first.metadata["rank"] == 1
    assert first.metadata["url"].startswith(f"{site.url}/documents/{first.metadata['document_id']}?")
    assert first.metadata["degraded"] == []
    assert first.metadata["score"] >= found[1].metadata["score"]
    assert TraceRecord.objects.get(pk=first.metadata["trace_id"]).question == QUERY
    assert first.id is not None
    assert asyncio.run(retriever.ainvoke(QUERY))[0].page_content == first.page_content
    assert site.key not in repr(retriever)


def test_filters_and_pipelines_reach_the_server(site: Site) -> None:
    from sieve_langchain import SieveError, SieveRetriever

    only = SieveRetriever(**site.where, filters={"formats": ["csv"]}, pipeline="light").invoke(QUERY)
    assert only and all("price" in document.page_content for document in only)
    with pytest.raises(SieveError, match="There is no pipeline nowhere"):
        SieveRetriever(**site.where, pipeline="nowhere").invoke(QUERY)


def test_a_compressor_keeps_the_best(site: Site) -> None:
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableLambda
    from sieve_langchain import SieveRerank, SieveRetriever

    texts = ["Fish is sold at the market.", "The ferry leaves at nine.", "A granite tower."]
    documents = [Document(text, metadata={"place": n}) for n, text in enumerate(texts)]
    rerank = SieveRerank(**site.where, top_n=2, model="light")
    best = rerank.compress_documents(documents, QUERY)
    assert [document.metadata["place"] for document in best][0] == 1
    assert len(best) == 2
    assert 1 >= best[0].metadata["relevance_score"] > best[1].metadata["relevance_score"] >= 0
    assert "relevance_score" not in documents[1].metadata, "what was given is not changed"
    assert rerank.compress_documents([], QUERY) == []
    assert asyncio.run(rerank.acompress_documents(documents, QUERY)) == best
    chain = SieveRetriever(**site.where) | RunnableLambda(
        lambda found: rerank.compress_documents(found, QUERY)
    )
    assert "north pier" in chain.invoke(QUERY)[0].page_content
    assert site.key not in repr(rerank)


def test_while_sieve_is_away_the_order_is_kept_only_where_that_was_said(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    from langchain_core.documents import Document
    from sieve_langchain import SieveError, SieveRerank, SieveUnavailable

    documents = [Document(text) for text in ("one", "two", "three")]
    away = {"url": "http://127.0.0.1:9", "key": site.key}
    with pytest.raises(SieveUnavailable):
        SieveRerank(**away).compress_documents(documents, QUERY)
    with caplog.at_level(logging.WARNING):
        kept = SieveRerank(**away, required=False, top_n=2).compress_documents(documents, QUERY)
    assert kept == documents[:2]
    assert "Not reranked" in caplog.text and site.key not in caplog.text
    with pytest.raises(SieveError, match="unknown, expired or revoked"):
        SieveRerank(url=site.url, key="sv_no_key", required=False).compress_documents(documents, QUERY)
