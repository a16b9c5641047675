"""What the API takes: every body is checked by one of these."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from rest_framework import serializers as drf
from rest_framework.serializers import CharField, ListField

from rag.index import analyzers
from search_app.api.fields import SLUG, Body, Flag, Names, Number, Question, Text
from search_app.feedback import MAX_REASON
from search_app.models import DEFAULT_LANGUAGE

MAX_TOP = 100
BIGGEST = 2**63 - 1


class Filters(Body):
    formats = Names(
        required=False, most=50, each=16, pattern=r"\A[a-z0-9]+\Z", help_text="Suffixes, such as `pdf`."
    )
    documents = ListField(
        child=Number(min_value=1, max_value=BIGGEST), required=False, max_length=100, help_text="Ids."
    )


class Asked(Body):
    question = Question(help_text="What is asked.")
    collections = Names(required=False, help_text="Names; all that you may read where none is given.")
    pipeline = Text(required=False, pattern=SLUG, max_length=100, help_text="Name of a pipeline.")


class SearchRequest(Asked):
    top = Number(
        required=False, default=10, min_value=1, max_value=MAX_TOP, help_text="How many passages to return."
    )
    filters = Filters(
        required=False,
        help_text="Which of the found passages to return. They narrow the result, not the search.",
    )


class AnswerRequest(Asked):
    stream = Flag(required=False, default=False, help_text="Answer as server-sent events.")


class Readers(Body):
    """Who may read a collection that is not public. Every name must exist."""

    readers = drf.SlugRelatedField(
        slug_field="username",
        many=True,
        required=False,
        queryset=get_user_model().objects.all(),
        help_text="Names of users.",
    )
    groups = drf.SlugRelatedField(
        slug_field="name",
        many=True,
        required=False,
        queryset=Group.objects.all(),
        help_text="Names of groups.",
    )


class CollectionChange(Readers):
    title = Text(required=False, allow_blank=True, max_length=200)
    public = Flag(required=False)


class NewCollection(Readers):
    name = Text(pattern=SLUG, max_length=100, help_text="Letters, digits, `-` and `_`. Never changed.")
    title = Text(required=False, allow_blank=True, max_length=200)
    language = drf.ChoiceField(
        analyzers.LANGUAGES, required=False, default=DEFAULT_LANGUAGE, help_text="How words are stemmed."
    )
    public = Flag(required=False, default=False)


class Upload(Body):
    collection = Text(pattern=SLUG, max_length=100, help_text="Name of an existing collection.")
    file = ListField(
        child=drf.FileField(), min_length=1, max_length=100, help_text="One or many files; a ZIP is opened."
    )
    name = ListField(
        child=CharField(),
        required=False,
        max_length=100,
        help_text="For each file the name of its document, such as `handbook/rest.md`; "
        "otherwise the file's own name.",
    )


class FeedbackRequest(Body):
    trace = Text(
        pattern=r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z",
        help_text="Id of the trace of the answer.",
    )
    liked = Flag()
    reason = Text(required=False, allow_blank=True, max_length=MAX_REASON, default="")
