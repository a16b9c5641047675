"""Sieve for LlamaIndex: a retriever over its documents, and its reranker for nodes of any origin."""

from sieve_llama_index.client import SieveError, SieveUnavailable
from sieve_llama_index.postprocessor import SieveRerank
from sieve_llama_index.retriever import SieveRetriever

__all__ = ["SieveError", "SieveRerank", "SieveRetriever", "SieveUnavailable"]
