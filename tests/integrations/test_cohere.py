"""Cohere's own client, pointed at this site."""

import pytest

from search_app.models import TraceRecord
from tests.integrations.conftest import Site

pytestmark = [pytest.mark.integrations, pytest.mark.models]

QUERY = "When does the ferry leave?"
TEXTS = ["Fish is sold at the market.", "The ferry leaves at nine from the north pier.", "A granite tower."]


@pytest.mark.parametrize("base", ["", "/api"])
def test_both_apis_of_cohere(site: Site, base: str) -> None:
    import cohere

    for client in (cohere.Client, cohere.ClientV2):
        found = client(site.key, base_url=site.url + base).rerank(
            model="light", query=QUERY, documents=TEXTS, top_n=2
        )
        assert [one.index for one in found.results][0] == 1
        assert len(found.results) == 2
        assert 0.9 < found.results[0].relevance_score <= 1
        assert TraceRecord.objects.get(pk=found.id).question == QUERY


def test_objects_fields_and_texts_that_come_back(site: Site) -> None:
    import cohere

    documents = [{"text": TEXTS[0], "id": "a"}, {"title": TEXTS[1], "id": "b"}]
    found = cohere.Client(site.key, base_url=site.url).rerank(
        model="light",
        query=QUERY,
        documents=documents,
        rank_fields=["title", "text"],
        return_documents=True,
        max_chunks_per_doc=1,
    )
    assert found.results[0].index == 1
    assert found.results[1].document is not None and found.results[1].document.text == TEXTS[0]
    assert found.meta is not None and found.meta.warnings == ["Not followed here: max_chunks_per_doc."]


def test_errors_come_as_coheres(site: Site) -> None:
    import cohere

    client = cohere.ClientV2(site.key, base_url=site.url)
    with pytest.raises(cohere.NotFoundError) as unknown:
        client.rerank(model="rerank-v3.5", query=QUERY, documents=TEXTS)
    assert "There is no reranker rerank-v3.5" in unknown.value.body["detail"]
    with pytest.raises(cohere.BadRequestError):
        client.rerank(model="light", query=QUERY, documents=[])
    with pytest.raises(cohere.UnauthorizedError):
        cohere.ClientV2("sv_no_key", base_url=site.url).rerank(model="light", query=QUERY, documents=TEXTS)
