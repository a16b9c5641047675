"""What the API takes: every body is checked by one of these."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as drf
from rest_framework.serializers import ListField

import rag.types
from rag.index import analyzers
from rag.phrases import LONGEST, MOST
from search_app.api.fields import SAID, SLUG, Body, Flag, Names, Number, Question, Text
from search_app.asking import MAX_HISTORY
from search_app.feedback import MAX_REASON
from search_app.models import DEFAULT_LANGUAGE

MAX_TOP = 100
BIGGEST = 2**63 - 1


class Filters(Body):
    """What is searched, inside what may be read. All that is given must hold."""

    formats = Names(
        required=False, most=50, each=16, pattern=r"\A[a-z0-9]+\Z", help_text="Suffixes, such as `pdf`."
    )
    documents = ListField(
        child=Number(min_value=1, max_value=BIGGEST), required=False, max_length=100, help_text="Ids."
    )
    title = Text(
        required=False, allow_blank=True, max_length=200, help_text="Words that the document's title has."
    )
    phrases = ListField(
        child=Text(pattern=SAID, min_length=1, max_length=LONGEST),
        required=False,
        max_length=MOST,
        help_text="Texts that stand in the passage word for word; case and white space do not count.",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """What the search takes: `filters`, and `formats`, which only the database knows."""
        sent = super().to_internal_value(data)
        return {
            "formats": sent.get("formats", []),
            "filters": rag.types.Filters(
                documents=tuple(str(number) for number in sent.get("documents", ())),
                title=sent.get("title", "").replace("\0", ""),
                phrases=tuple(phrase.replace("\0", "") for phrase in sent.get("phrases", ())),
            ),
        }


class Asked(Body):
    """A question."""

    question = Question(help_text="What is asked.")
    collections = Names(required=False, help_text="Names; all that you may read where none is given.")
    pipeline = Text(required=False, pattern=SLUG, max_length=100, help_text="Name of a pipeline.")
    history = ListField(
        child=Question(),
        required=False,
        max_length=MAX_HISTORY,
        help_text="Questions asked before this one, oldest first, so that a follow-up can be understood.",
    )
    filters = Filters(required=False, help_text="What is searched; all of it where none are given.")


class SearchRequest(Asked):
    """A question, and how many passages to return."""

    top = Number(
        required=False, default=10, min_value=1, max_value=MAX_TOP, help_text="How many passages to return."
    )


class AnswerRequest(Asked):
    """A question to be answered."""

    stream = Flag(required=False, default=False, help_text="Answer as server-sent events.")


class Readers(Body):
    """Who may read a collection that is not public. Every name must exist."""

    readers = Names(required=False, pattern=SAID, most=1000, each=150, help_text="Names of users.")
    groups = Names(required=False, pattern=SAID, most=1000, each=150, help_text="Names of groups.")


class CollectionChange(Readers):
    """What is to change."""

    title = Text(required=False, allow_blank=True, max_length=200)
    public = Flag(required=False)


class NewCollection(Readers):
    """A collection to be made."""

    name = Text(pattern=SLUG, max_length=100, help_text="Letters, digits, `-` and `_`. Never changed.")
    title = Text(required=False, allow_blank=True, max_length=200)
    language = drf.ChoiceField(
        analyzers.LANGUAGES, required=False, default=DEFAULT_LANGUAGE, help_text="How words are stemmed."
    )
    public = Flag(required=False, default=False)


@extend_schema_field({"type": "string", "format": "binary"})
class File(drf.FileField):
    """A file of a form; an empty one is a document without text, whose reason says so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_empty_file=True, **options)


class Upload(Body):
    """A form with files."""

    collection = Text(pattern=SLUG, max_length=100, help_text="Name of an existing collection.")
    file = ListField(
        child=File(), min_length=1, max_length=100, help_text="One or many files; a ZIP is opened."
    )
    folder = Text(
        required=False,
        allow_blank=True,
        max_length=500,
        help_text="Stands before the names of the files: `handbook/2026` makes `handbook/2026/rest.md`.",
    )


class FeedbackRequest(Body):
    """What one says of an answer."""

    trace = Text(
        pattern=r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z",
        help_text="Id of the trace of the answer.",
    )
    liked = Flag()
    reason = Text(required=False, allow_blank=True, max_length=MAX_REASON, default="")
