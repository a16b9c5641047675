"""The reranker of a Sieve server for nodes of any origin."""

import logging

from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from pydantic import Field, SecretStr

from sieve_llama_index.client import SieveClient, SieveUnavailable

dispatcher = get_dispatcher(__name__)
log = logging.getLogger(__name__)


class SieveRerank(BaseNodePostprocessor):
    """The best `top_n` nodes for a query, best first, with scores from 0 to 1.

    A node is read with the metadata that it shows to embedding models. Nodes for which there was no time in
    `budget_ms` are left out.
    """

    url: str
    key: SecretStr = Field(exclude=True)
    model: str | None = None
    """A pipeline of the server, or a model that one of its pipelines names; without it the server's own."""
    top_n: int = Field(default=5, ge=1)
    budget_ms: int | None = Field(default=None, ge=1)
    required: bool = True
    """False: while Sieve is unavailable the first `top_n` are given in the order that they had."""
    timeout_s: float = 30.0

    @classmethod
    def class_name(cls) -> str:
        return "SieveRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("SieveRerank needs the query: pass query_str or query_bundle.")
        if not nodes:
            return []
        dispatcher.event(
            ReRankStartEvent(
                query=query_bundle, nodes=nodes, top_n=self.top_n, model_name=self.model or "sieve"
            )
        )
        found = self._ranked(nodes, query_bundle.query_str)
        dispatcher.event(ReRankEndEvent(nodes=found))
        return found

    def _ranked(self, nodes: list[NodeWithScore], query: str) -> list[NodeWithScore]:
        client = SieveClient(self.url, self.key.get_secret_value(), self.timeout_s)
        texts = [one.node.get_content(metadata_mode=MetadataMode.EMBED) for one in nodes]
        try:
            ranked = client.ranked(query, texts, model=self.model, top_n=self.top_n, budget_ms=self.budget_ms)
        except SieveUnavailable as error:
            if self.required:
                raise
            log.warning("Not reranked: %s", error)
            return nodes[: self.top_n]
        return [NodeWithScore(node=nodes[place].node, score=score) for place, score in ranked]
