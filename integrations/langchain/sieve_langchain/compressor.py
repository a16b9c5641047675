"""The reranker of a Sieve server for documents of any origin."""

import logging
from collections.abc import Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import ConfigDict, Field, SecretStr

from sieve_langchain.client import SieveClient, SieveUnavailable

log = logging.getLogger(__name__)


class SieveRerank(BaseDocumentCompressor):
    """The best `top_n` documents for a query, best first, each with its `relevance_score` from 0 to 1.

    Documents for which there was no time in `budget_ms` are left out.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    url: str
    key: SecretStr
    model: str | None = None
    """A pipeline of the server, or a model that one of its pipelines names; without it the server's own."""
    top_n: int = Field(default=5, ge=1)
    budget_ms: int | None = Field(default=None, ge=1)
    required: bool = True
    """False: while Sieve is unavailable the first `top_n` are given in the order that they had, unscored."""
    timeout_s: float = 30.0

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        if not documents:
            return []
        client = SieveClient(self.url, self.key.get_secret_value(), self.timeout_s)
        texts = [document.page_content for document in documents]
        try:
            ranked = client.ranked(query, texts, model=self.model, top_n=self.top_n, budget_ms=self.budget_ms)
        except SieveUnavailable as error:
            if self.required:
                raise
            log.warning("Not reranked: %s", error)
            return list(documents[: self.top_n])
        return [
            documents[place].model_copy(
                update={"metadata": {**documents[place].metadata, "relevance_score": score}}
            )
            for place, score in ranked
        ]
