"""What the addresses of OpenAI's API give, as shapes for the schema."""

from rest_framework import serializers as drf
from rest_framework.serializers import CharField, IntegerField, ListField, Serializer

from search_app.api.answer_shapes import Sentence
from search_app.api.serializers import Citation, Passage, Rerank

FINISH = ("stop", "length")


class Extension(Serializer):
    """What Sieve says beyond an answer's text."""

    trace_id = drf.UUIDField()
    url = CharField(help_text="The answer as a page.")
    question = CharField(help_text="What was searched and answered.")
    finish_reason = CharField(
        allow_null=True, help_text="`answered`, `no_answer`, `length` or `failed`; null: none was written."
    )
    confidence = drf.FloatField(allow_null=True)
    citations = Citation(many=True)
    sentences = Sentence(many=True)
    passages = Passage(many=True)
    rerank = Rerank()
    degraded = ListField(child=CharField())
    partial_index = drf.BooleanField()
    warnings = ListField(child=CharField(), help_text="What was sent and not followed.")


class UrlCitation(Serializer):
    start_index = IntegerField()
    end_index = IntegerField()
    title = CharField(allow_blank=True)
    url = CharField()


class Annotation(Serializer):
    type = drf.ChoiceField(["url_citation"])
    url_citation = UrlCitation()


class ChatMessage(Serializer):
    role = drf.ChoiceField(["assistant"])
    content = CharField()
    refusal = CharField(allow_null=True)
    annotations = Annotation(many=True)
    sieve = Extension()


class Choice(Serializer):
    index = IntegerField()
    message = ChatMessage()
    logprobs = CharField(allow_null=True)
    finish_reason = drf.ChoiceField(FINISH, help_text="`length`: the text is not whole.")


class PromptDetails(Serializer):
    cached_tokens = IntegerField()


class ChatUsage(Serializer):
    """Of the answer alone. What is quoted is read and not written."""

    prompt_tokens = IntegerField()
    completion_tokens = IntegerField()
    total_tokens = IntegerField()
    prompt_tokens_details = PromptDetails()


class ChatResult(Serializer):
    id = CharField()
    object = drf.ChoiceField(["chat.completion"])
    created = IntegerField()
    model = CharField()
    system_fingerprint = CharField(help_text="Of the pipeline's spec.")
    choices = Choice(many=True)
    usage = ChatUsage()


class ModelOut(Serializer):
    id = CharField()
    object = drf.ChoiceField(["model"])
    created = IntegerField()
    owned_by = CharField()


class ModelList(Serializer):
    object = drf.ChoiceField(["list"])
    data = ModelOut(many=True)


class ErrorBody(Serializer):
    message = CharField(help_text="For a person: what was wrong and what to do.")
    type = CharField()
    param = CharField(allow_null=True, help_text="The field that is wrong.")
    code = CharField(help_text="For a program.")


class ChatError(Serializer):
    """An error, as OpenAI has it."""

    error = ErrorBody()
