"""Sieve for LangChain: a retriever over its documents, and its reranker for documents of any origin."""

from sieve_langchain.client import SieveError, SieveUnavailable
from sieve_langchain.compressor import SieveRerank
from sieve_langchain.retriever import SieveRetriever

__all__ = ["SieveError", "SieveRerank", "SieveRetriever", "SieveUnavailable"]
