"""Rows. A document is (collection, name); its content hash only saves work and is never identity."""

import uuid

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

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
        help_text="Who may read it when it is not public.",
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
    """A file by its name. `version` 0 says that nothing of it can be found yet."""

    class State(models.TextChoices):
        QUEUED = "queued"
        PARSING = "parsing"
        INDEXED = "indexed"
        FAILED = "failed"

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=1000, help_text="Path-like, unique in its collection.")
    format = models.CharField(max_length=16, blank=True, help_text="Suffix of the name, without the dot.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    reason = models.TextField(blank=True, help_text="Why the newest content could not be indexed.")
    content_hash = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the newest content seen; saves work, is no identity."
    )
    size = models.BigIntegerField(default=0, help_text="Bytes of the newest content seen.")
    version = models.PositiveIntegerField(
        default=0, help_text="The version that is searched and shown; it stays when newer content fails."
    )
    recipe = models.CharField(
        max_length=200, blank=True, help_text="Parser, split and encoder that made the current version."
    )
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["collection", "name"]
        constraints = [models.UniqueConstraint(fields=["collection", "name"], name="document_identity")]
        indexes = [models.Index(fields=["state"])]

    def __str__(self) -> str:
        return self.name


class DocumentVersion(models.Model):
    """What the parser gave for one content of a document: a citation opens in it."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
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


class PipelineRecord(models.Model):
    """Each distinct spec that ever answered, once."""

    fingerprint = models.CharField(max_length=80, unique=True)
    name = models.CharField(max_length=100, help_text="The name it was first used under.")
    spec = models.JSONField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint[:14]}"


class TraceRecord(models.Model):
    """A trace at rest: the columns one filters by, and the whole as JSON with passages by reference."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    asker = models.CharField(
        max_length=32, blank=True, help_text="Random name of the asking browser; empty for commands."
    )
    question = models.TextField()
    pipeline = models.ForeignKey(PipelineRecord, on_delete=models.PROTECT, related_name="traces")
    degraded = models.BooleanField(default=False)
    rerank_status = models.CharField(max_length=10, blank=True)
    total_ms = models.FloatField(default=0.0)
    answered = models.BooleanField(default=False)
    body = models.JSONField()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.question


class PassageText(models.Model):
    """The text of a passage by its SHA-256, once: a trace stays readable after its document changed."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    text = models.TextField()

    def __str__(self) -> str:
        return self.sha256
