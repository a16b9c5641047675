"""What the API says of an answer, as shapes: its text, each of its sentences, what writing it took."""

from rest_framework import serializers as drf
from rest_framework.serializers import CharField, FloatField, IntegerField, ListField, Serializer

from search_app.api.serializers import Citation, Found


class Sentence(Serializer):
    """A sentence of the answer, held against the passages that it names."""

    span = ListField(child=IntegerField(), help_text="Characters of the answer, without markers at its ends.")
    supported = drf.ChoiceField(["true", "false", "unchecked"], help_text="Whether a passage carries it.")
    markers = ListField(child=IntegerField(), help_text="The passages that it names.")
    score = FloatField(allow_null=True, help_text="On the scale of the verifier; null: none was given.")
    reason = CharField(allow_blank=True, help_text="Why it is not supported, or was not checked.")


class AnswerText(Serializer):
    text = CharField()
    finish_reason = drf.ChoiceField(
        ["answered", "no_answer", "length", "failed", "stopped"],
        help_text="`length`: the limit of tokens came first; `failed`: the writing broke off; `stopped`: the "
        "asker left. `text` is then what was written until there.",
    )
    confidence = FloatField(allow_null=True)
    citations = Citation(many=True)
    sentences = Sentence(many=True, help_text="In order; none for a refusal.")
    unsupported = IntegerField(help_text="Sentences among them that no passage supports.")
    unknown_markers = IntegerField(help_text="Markers that named no passage and were taken out of the text.")


class Rewritten(Serializer):
    question = CharField(help_text="What was searched and answered.")
    by = CharField(help_text="The model, or `rule`.")


class Expansion(Serializer):
    method = drf.ChoiceField(["multi_query", "hyde"])
    texts = ListField(child=CharField(), help_text="What was searched with the question.")
    by = CharField()


class Confidence(Serializer):
    value = FloatField(help_text="0 to 1: how likely it is that the passages answer the question.")
    features = drf.DictField(child=FloatField(), help_text="What it was made of.")


class Usage(Serializer):
    """What writing the answer took. A zero, or nothing, says that it is not known."""

    model = CharField(allow_blank=True)
    prompt_tokens = IntegerField()
    completion_tokens = IntegerField()
    cached_tokens = IntegerField(help_text="Of the prompt, tokens that the server had computed before.")
    tokens_per_s = FloatField()
    server = CharField(allow_blank=True, help_text="Which of several replicas wrote it, from 1.")
    prompt = CharField(allow_blank=True, help_text="Fingerprint of the prompt's words.")
    usd = FloatField(help_text="By the price list of the service.")


class AnswerResult(Found):
    answer = AnswerText(allow_null=True, help_text="Null: no answer was written; `degraded` says why.")
    rewritten = Rewritten(allow_null=True, help_text="Null: the question was taken as it is.")
    expansion = Expansion(allow_null=True)
    confidence = Confidence(allow_null=True, help_text="Null: it was not weighed before writing.")
    usage = Usage(allow_null=True)
    first_ms = FloatField(allow_null=True, help_text="From the beginning of writing to its first words.")
    url = CharField(help_text="The answer as a page.")


class Sent(Serializer):
    """One server-sent event."""

    event = CharField(required=False, help_text="What kind it is of; chunks of a chat have none.")
    data = CharField(help_text="JSON in one line.")
