"""The body of a request to rank texts: the fields that Cohere and Jina publish."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import Field, ListField

from search_app.api.fields import SAID, Body, Flag, Number, Question, Text
from search_app.reranking import MAX_TEXTS

UNUSED = ("max_tokens_per_doc", "max_chunks_per_doc", "truncation", "priority")
"""Fields that clients send and nothing here follows: each text is read as far as the model reads."""
LONGEST_BUDGET_MS = 600_000


@extend_schema_field(
    {"oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}
)
class Document(Field):
    """A text, or an object of texts."""

    default_error_messages = {"invalid": "A document is a text, or an object whose values are texts."}

    def to_internal_value(self, data: Any) -> str | Mapping[str, str]:
        if isinstance(data, str):
            return data
        if isinstance(data, Mapping) and all(isinstance(value, str) for value in data.values()):
            return data
        self.fail("invalid")

    def to_representation(self, value: Any) -> Any:
        return value


class RerankRequest(Body):
    """Texts to be ranked for a query."""

    model = Text(
        required=False,
        allow_null=True,
        pattern=SAID,
        min_length=1,
        max_length=200,
        help_text="A pipeline, whose reranker is taken, or a model that a pipeline names; without it the "
        "reranker of the site's own pipeline.",
    )
    query = Question(help_text="What the texts are ranked for.")
    documents = ListField(
        child=Document(),
        min_length=1,
        max_length=MAX_TEXTS,
        help_text="Texts, or objects with `text` or with the fields that `rank_fields` names.",
    )
    top_n = Number(
        required=False, allow_null=True, min_value=1, help_text="How many to return; all unless told."
    )
    return_documents = Flag(required=False, allow_null=True, help_text="Return the texts, too.")
    rank_fields = ListField(
        child=Text(pattern=SAID, min_length=1, max_length=200),
        required=False,
        allow_null=True,
        max_length=50,
        help_text="Of documents that are objects: the fields to be read, in this order.",
    )
    budget_ms = Number(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LONGEST_BUDGET_MS,
        help_text="Sieve's own: how long you would wait. What could not be scored until then is left out, "
        "and `rerank` says so.",
    )
    max_tokens_per_doc = Number(required=False, allow_null=True, min_value=1, help_text="Not followed.")
    max_chunks_per_doc = Number(required=False, allow_null=True, min_value=1, help_text="Not followed.")
    truncation = Flag(required=False, allow_null=True, help_text="Not followed: what is too long is cut.")
    priority = Number(required=False, allow_null=True, min_value=0, help_text="Not followed.")


def texts_of(asked: Mapping[str, Any]) -> list[str]:
    """The text of each document, in the order given. Raises `ValidationError` naming a document without."""
    fields = asked.get("rank_fields") or ["text"]
    return [_text(document, fields, place) for place, document in enumerate(asked["documents"])]


def _text(document: str | Mapping[str, str], fields: list[str], place: int) -> str:
    if isinstance(document, str):
        return document.replace("\0", "")
    found = [document[field] for field in fields if field in document]
    if not found:
        named = ", ".join(fields)
        raise ValidationError({"documents": {str(place): [f"This document has none of the fields {named}."]}})
    return "\n".join(found).replace("\0", "")
