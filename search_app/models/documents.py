"""Collections, documents and what the parser made of them. A document is (collection, name)."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from rag.errors import SpecError
from search_app.weights import blend_of

DEFAULT_LANGUAGE = "en"


def check_language(value: str) -> None:
    """A language that the index can cut into words."""
    from rag.index import analyzers  # here, so that the rows do not need the index

    try:
        analyzers.check_language(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def check_blend(value: object) -> None:
    """Own weights of a collection are those of `[blend]` in a spec, all four."""
    try:
        blend_of(value)
    except SpecError as error:
        raise ValidationError(str(error)) from error


class Collection(models.Model):
    """Documents that are asked together and read by the same people."""

    name = models.SlugField(max_length=100, unique=True)
    title = models.CharField(max_length=200, blank=True)
    language = models.CharField(
        max_length=16,
        default=DEFAULT_LANGUAGE,
        validators=[check_language],
        help_text="How words are cut and stemmed: en, de, cjk, plain, ... Fixed once documents are in.",
    )
    public = models.BooleanField(default=True, help_text="Everybody who reaches the site may read it.")
    readers = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="+",
        help_text="Users who may read it when it is not public.",
    )
    groups = models.ManyToManyField(
        Group,
        blank=True,
        related_name="+",
        help_text="Groups whose members may read it when it is not public.",
    )
    blend = models.JSONField(
        null=True,
        blank=True,
        validators=[check_blend],
        help_text="Own weights of the final order: bm25, knn, late, reranked. Empty: those of the pipeline.",
    )
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title or self.name


class Document(models.Model):
    """A file by its name, and the work that is to be done on it. The queue is only a hint of this row.

    A worker claims a row: that counts `fence` up and sets `lease_until`. It writes its result as the
    version `fence`, and the result counts only while the row still has that fence: whoever replaced,
    retried or claimed the document meanwhile has counted it up.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        WORKING = "working"
        SEARCHABLE = "searchable"
        FAILED = "failed"

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=1000, help_text="Path-like, unique in its collection.")
    format = models.CharField(max_length=16, blank=True, help_text="Suffix of the name, without the dot.")
    state = models.CharField(
        max_length=10,
        choices=State.choices,
        default=State.QUEUED,
        help_text="Of the newest content. Searchable: a query of its own has found it.",
    )
    reason = models.TextField(blank=True, help_text="Why the newest content could not be indexed.")
    content_hash = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the newest content; names its file, is no identity."
    )
    size = models.BigIntegerField(default=0, help_text="Bytes of the newest content.")
    version = models.PositiveIntegerField(
        default=0,
        help_text="The version that is searched and shown; it stays when newer content fails. 0: none.",
    )
    recipe = models.CharField(
        max_length=200, blank=True, help_text="Parser, split and encoder that made the current version."
    )
    fence = models.PositiveIntegerField(
        default=0, help_text="Counted up by each claim, replacement and retry; never down."
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Claims since the content came.")
    queued = models.DateTimeField(default=timezone.now, help_text="When the newest content came.")
    lease_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the work belongs to who claimed it."
    )
    uploader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["collection", "name"]
        constraints = [models.UniqueConstraint(fields=["collection", "name"], name="document_identity")]
        indexes = [models.Index(fields=["state", "attempts", "queued"])]

    def __str__(self) -> str:
        return self.name


class DocumentVersion(models.Model):
    """What the parser gave for one content of a document: a citation opens in it."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    content_hash = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the content it was made of."
    )
    title = models.TextField(blank=True)
    passage_title = models.TextField(blank=True, help_text="The title as it is repeated with every passage.")
    text = models.TextField()
    headings = models.JSONField(default=list, help_text="[start, level, text] of each heading.")
    pages = models.JSONField(default=list, help_text="Character at which each page begins.")
    metadata = models.JSONField(default=dict)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["document", "version"]
        constraints = [models.UniqueConstraint(fields=["document", "version"], name="document_version")]

    def __str__(self) -> str:
        return f"{self.document_id}:{self.version}"


class PassageRow(models.Model):
    """Where a passage lies in its version: with the version's text, all that a rebuild needs."""

    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="passages")
    position = models.PositiveIntegerField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    headings = models.JSONField(default=list)
    page = models.PositiveIntegerField(null=True)
    tokens = models.PositiveIntegerField()

    class Meta:
        ordering = ["version", "position"]
        constraints = [models.UniqueConstraint(fields=["version", "position"], name="passage_position")]

    def __str__(self) -> str:
        return f"{self.version_id}:{self.position}"


class Removal(models.Model):
    """Something that must leave the index. Written with the change that caused it, deleted when it is done.

    No search shows it meanwhile: the check of access knows only current versions of existing documents.
    """

    document_number = models.BigIntegerField(help_text="Id of the document, whose row may be gone.")
    version = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: all versions.")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.document_number}:{self.version or 'all'}"
