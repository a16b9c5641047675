"""Passages of a Sieve server, found and ranked there, as documents of LangChain."""

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import SecretStr

from sieve_langchain.client import SieveClient

KEPT = ("document_id", "collection", "title", "headings", "page", "span", "url", "rank")
"""What of a passage goes into the metadata of its document."""


class SieveRetriever(BaseRetriever):
    """The best passages for a question, in the final order of Sieve.

    Metadata say where each stands (`title`, `url`, `page`, …), its `score`, the `trace_id` of the question,
    and in `degraded` what did not go as the pipeline says. Raises `SieveError` and `SieveUnavailable`.
    """

    url: str
    key: SecretStr
    collections: list[str] = []
    """Names; without one, all that the key may read."""
    pipeline: str | None = None
    top: int = 10
    filters: dict[str, Any] = {}
    """`formats`, `documents`."""
    timeout_s: float = 30.0

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        client = SieveClient(self.url, self.key.get_secret_value(), self.timeout_s)
        found = client.search(
            query,
            collections=self.collections,
            pipeline=self.pipeline,
            top=self.top,
            filters=self.filters,
        )
        told = {"trace_id": found["trace_id"], "degraded": found["degraded"]}
        return [_document(passage, told) for passage in found["passages"]]


def _document(passage: dict[str, Any], told: dict[str, Any]) -> Document:
    metadata = {name: passage[name] for name in KEPT}
    score = passage["stages"]["final"]["score"]
    return Document(
        id=passage["passage_id"], page_content=passage["text"], metadata=metadata | told | {"score": score}
    )
