"""What the API gives, as shapes: they stand in the schema, and most fill the answers."""

from typing import Any, get_args

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as drf
from rest_framework.serializers import CharField, FloatField, IntegerField, ListField, Serializer

from rag.types import STAGES, ScoreKind
from search_app import modes
from search_app.models import Collection, Document
from search_app.pages.spent import BEFORE

SCORE_KINDS = get_args(ScoreKind)


# --- Questions -------------------------------------------------------------------------------------------


class Place(Serializer):
    rank = IntegerField(min_value=1)
    score = FloatField(help_text="Raw; comparable only within this stage of this question.")
    kind = drf.ChoiceField(SCORE_KINDS)


class Stages(Serializer):
    """Where a passage stood after each stage; null where the stage did not rank it.

    `coarse` and `middle` are there where the pipeline reranks in stages.
    """

    def get_fields(self) -> dict[str, Any]:
        return {stage: Place(allow_null=True, required=stage not in BEFORE) for stage in STAGES}


class Passage(Serializer):
    rank = IntegerField(min_value=1, help_text="In the final order.")
    marker = IntegerField(allow_null=True, help_text="Its number in the answer; null: not handed over.")
    passage_id = CharField()
    document_id = IntegerField()
    version = IntegerField()
    collection = CharField()
    title = CharField()
    headings = ListField(child=CharField())
    text = CharField()
    span = ListField(child=IntegerField(), min_length=2, max_length=2)
    page = IntegerField(allow_null=True)
    url = CharField(help_text="The passage, marked in its document.")
    stages = Stages()


class Rerank(Serializer):
    status = drf.ChoiceField(["applied", "partial", "skipped", "fallback"])
    scored = IntegerField()
    asked = IntegerField()
    reason = CharField(allow_blank=True, help_text="Why it was not applied to all.")


class Cost(Serializer):
    """What the scores of one stage cost and stand on; 0 and empty say that there is nothing to say."""

    texts = IntegerField(help_text="Texts that a model read: passages, or windows of long ones.")
    windows = IntegerField(help_text="Windows among them.")
    tokens = IntegerField(help_text="Tokens that it read, where they are known.")
    cached = IntegerField(help_text="Scores taken from the score cache.")
    requests = IntegerField(help_text="Requests to a service.")
    queue_ms = FloatField(help_text="Waiting for a worker, apart from its computing.")
    usd = FloatField(help_text="By the price list of the service.")
    repaired = IntegerField(help_text="Malformed replies of a language model that were mended.")
    precision = CharField(allow_blank=True, help_text="What computed: int8, bfloat16 on cuda:0.")
    stopped = drf.ChoiceField(
        ["", "time", "gap"],
        help_text="Why not every candidate was scored: no time was left, or none below could enter the top.",
    )


class Timing(Serializer):
    step = CharField()
    started_ms = FloatField()
    elapsed_ms = FloatField()
    compute_ms = FloatField(allow_null=True)


class Suggested(Serializer):
    typed = CharField()
    meant = CharField(help_text="A word of a passage that you may read.")


class Suggestion(Serializer):
    question = CharField()
    words = Suggested(many=True)


class Found(Serializer):
    """What every answer to a question says of how it was found."""

    trace_id = drf.UUIDField()
    question = CharField()
    collections = ListField(child=CharField())
    pipeline = CharField()
    rerank = Rerank()
    degraded = ListField(
        child=CharField(), help_text="One sentence for each thing that did not go as the pipeline says."
    )
    partial_index = drf.BooleanField(
        help_text="Only a part of the index was searched: passages may be missing that are there. `degraded` "
        "says why. Do not keep such an answer."
    )
    readable = IntegerField(help_text="Passages in the collections that were searched.")
    spent = drf.DictField(child=Cost(), help_text="Stage of reranking to what its scores cost.")
    total_ms = FloatField()
    timings = Timing(many=True)
    passages = Passage(many=True)
    suggestion = Suggestion(
        allow_null=True, help_text="The question with other words for those that stand in no passage."
    )


class SearchResult(Found):
    pass


class Ranked(Serializer):
    index = IntegerField(min_value=0, help_text="Place among the documents that were sent, from 0.")
    relevance_score = FloatField(min_value=0, max_value=1, help_text="The score on the providers' scale.")
    score = FloatField(help_text="As the model gave it; comparable only within this answer.")
    document = drf.DictField(child=CharField(), required=False, help_text="With `return_documents`.")


class TokenUsage(Serializer):
    total_tokens = IntegerField(help_text="What the model read, where it is known; else 0.")


class Meta(Serializer):
    warnings = ListField(child=CharField(), help_text="What was not done as it was asked for.")


class RerankResult(Serializer):
    id = drf.UUIDField(help_text="Of the trace.")
    model = CharField()
    results = Ranked(many=True, help_text="Best first.")
    usage = TokenUsage()
    meta = Meta()
    kind = drf.ChoiceField(SCORE_KINDS, help_text="What `score` means.")
    rerank = Rerank()
    total_ms = FloatField()


class Citation(Serializer):
    marker = IntegerField()
    passage_id = CharField()
    document_id = IntegerField()
    span = ListField(child=IntegerField(), help_text="Cited characters of the document's text.")
    answer_span = ListField(child=IntegerField(), help_text="Characters of the answer that it supports.")
    url = CharField()


# --- Collections -----------------------------------------------------------------------------------------


class CollectionOut(drf.ModelSerializer):
    searchable = IntegerField(help_text="Documents that can be found.")
    readers = drf.SlugRelatedField(
        slug_field="username", many=True, read_only=True, required=False, help_text="For staff only."
    )
    groups = drf.SlugRelatedField(
        slug_field="name", many=True, read_only=True, required=False, help_text="For staff only."
    )

    class Meta:
        model = Collection
        fields = ("name", "title", "language", "public", "created", "searchable", "readers", "groups")
        read_only_fields = fields


# --- Documents -------------------------------------------------------------------------------------------


class DocumentOut(Serializer):
    id = IntegerField()
    name = CharField()
    collection = CharField(source="collection.name")
    format = CharField()
    state = drf.ChoiceField(Document.State.values, help_text="Of the newest content.")
    reason = CharField(help_text="Why the newest content could not be indexed.")
    version = IntegerField(help_text="The version that is searched; 0: nothing of it can be found.")
    size = IntegerField(help_text="Bytes of the newest content.")
    sha256 = CharField(source="content_hash")
    attempts = IntegerField()
    queued = drf.DateTimeField()
    created = drf.DateTimeField()
    updated = drf.DateTimeField()


class Version(Serializer):
    version = IntegerField()
    title = CharField()
    sha256 = CharField(source="content_hash")
    created = drf.DateTimeField()


class DocumentDetail(DocumentOut):
    versions = Version(many=True)


class Arrived(Serializer):
    document = DocumentOut()
    changed = drf.BooleanField(help_text="False: the document had this content already.")
    created = drf.BooleanField()


class UploadResult(Serializer):
    documents = Arrived(many=True)


class DocumentText(Serializer):
    id = IntegerField()
    version = IntegerField()
    title = CharField()
    text = CharField()
    headings = extend_schema_field(OpenApiTypes.ANY)(drf.JSONField)(
        help_text="[first character, level, text] of each heading."
    )
    pages = ListField(child=IntegerField(), help_text="Character at which each page begins.")


# --- Traces and feedback ---------------------------------------------------------------------------------


class TraceLine(Serializer):
    id = drf.UUIDField()
    created = drf.DateTimeField()
    question = CharField()
    pipeline = CharField(source="pipeline.name")
    answered = drf.BooleanField()
    degraded = drf.BooleanField()
    rerank_status = CharField()
    total_ms = FloatField()


class TraceOut(Serializer):
    id = drf.UUIDField()
    created = drf.DateTimeField()
    rerank = Rerank()
    degraded = ListField(child=CharField())
    partial_index = drf.BooleanField(
        help_text="Only a part of the index was searched; `body.partial` says why."
    )
    index_mode = drf.ChoiceField([*modes.MODES, "none"], help_text="What of the index answered.")
    total_ms = FloatField()
    body = drf.DictField(help_text="The trace: see the handbook, For developers, The trace as JSON.")
    texts = drf.DictField(child=CharField(), help_text="Texts of its passages, by hash.")


class FeedbackOut(Serializer):
    trace = drf.UUIDField(source="trace_id")
    liked = drf.BooleanField()
    reason = CharField()
    updated = drf.DateTimeField()


# --- Pages -----------------------------------------------------------------------------------------------


class Page(Serializer):
    next = CharField(allow_null=True, help_text="Address of the page that follows; null: this is the last.")


class CollectionPage(Page):
    results = CollectionOut(many=True)


class DocumentPage(Page):
    results = DocumentOut(many=True)


class TracePage(Page):
    results = TraceLine(many=True)


# --- Errors ----------------------------------------------------------------------------------------------


class FieldError(Serializer):
    field = CharField()
    detail = CharField()


class Problem(Serializer):
    """An error, as RFC 9457 has it."""

    type = CharField()
    title = CharField()
    status = IntegerField()
    detail = CharField(help_text="For a person: what was wrong and what to do.")
    code = CharField(help_text="For a program.")
    errors = FieldError(many=True, required=False)
