"""Passages of a Sieve server, found and ranked there, as nodes of LlamaIndex."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from sieve_llama_index.client import SieveClient

READ = ("title", "headings", "page")
"""Metadata that a model may read beside the text; the rest is for programs."""
KEPT = ("document_id", "collection", "url", "rank")


class SieveRetriever(BaseRetriever):
    """The best passages for a question, in the final order of Sieve.

    A node is a passage: its id, its place in the document's text, and that document as its source. Metadata
    also have the `trace_id` of the question, and in `degraded` what did not go as the pipeline says. Raises
    `SieveError` and `SieveUnavailable`.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        collections: Sequence[str] = (),
        pipeline: str | None = None,
        top: int = 10,
        filters: Mapping[str, Any] | None = None,
        timeout_s: float = 30.0,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Without `collections`, all that the key may read; `filters` are `formats` and `documents`."""
        self._client = SieveClient(url, key, timeout_s)
        self._collections, self._pipeline, self._top = tuple(collections), pipeline, top
        self._filters = filters
        super().__init__(callback_manager=callback_manager)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._client.search(
            query_bundle.query_str,
            collections=self._collections,
            pipeline=self._pipeline,
            top=self._top,
            filters=self._filters,
        )
        told = {"trace_id": found["trace_id"], "degraded": found["degraded"]}
        return [_node(passage, told) for passage in found["passages"]]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(passage: dict[str, Any], told: dict[str, Any]) -> NodeWithScore:
    read = {name: passage[name] for name in READ if passage[name]}
    kept = {name: passage[name] for name in KEPT} | told
    begins, ends = passage["span"]
    node = TextNode(
        id_=passage["passage_id"],
        text=passage["text"],
        metadata=read | kept,
        excluded_embed_metadata_keys=list(kept),
        excluded_llm_metadata_keys=list(kept),
        start_char_idx=begins,
        end_char_idx=ends,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=str(passage["document_id"]))},
    )
    return NodeWithScore(node=node, score=passage["stages"]["final"]["score"])
