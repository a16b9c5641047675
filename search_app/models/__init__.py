"""Rows."""

from search_app.models.documents import (
    DEFAULT_LANGUAGE,
    Collection,
    Document,
    DocumentVersion,
    PassageRow,
    Removal,
)
from search_app.models.keys import ApiKey, StoredResponse
from search_app.models.pipelines import PipelineRecord, PipelineVersion
from search_app.models.reindexes import Reindex
from search_app.models.traces import Conversation, Feedback, PassageText, TraceRecord

__all__ = [
    "DEFAULT_LANGUAGE",
    "ApiKey",
    "Collection",
    "Conversation",
    "Document",
    "DocumentVersion",
    "Feedback",
    "PassageRow",
    "PassageText",
    "PipelineRecord",
    "PipelineVersion",
    "Reindex",
    "Removal",
    "StoredResponse",
    "TraceRecord",
]
