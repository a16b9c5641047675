"""Traces at rest, the conversations they belong to, and what people said of the answers."""

import uuid
from datetime import date

from django.conf import settings
from django.db import models
from django.utils import timezone

from search_app.models.documents import Document
from search_app.models.fields import LargeJSONField
from search_app.models.pipelines import PipelineRecord


def today() -> date:
    """The day in UTC."""
    return timezone.now().date()


class Conversation(models.Model):
    """Questions that were asked one after the other, by one user or one browser."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    asker = models.CharField(max_length=32, blank=True, db_index=True)
    title = models.CharField(max_length=200, help_text="The first question, shortened.")
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        ordering = ["-updated"]

    def __str__(self) -> str:
        return self.title


class TraceRecord(models.Model):
    """A trace at rest: the columns one filters by, and the whole as JSON with passages by reference."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    as_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="With whose rights it was asked, where these were not the asker's own.",
    )
    asker = models.CharField(
        max_length=32, blank=True, help_text="Random name of the asking browser; empty for commands."
    )
    conversation = models.ForeignKey(
        Conversation, null=True, blank=True, on_delete=models.CASCADE, related_name="traces"
    )
    shared = models.BooleanField(
        default=False, help_text="Whoever has the link and may read its passages may read it."
    )
    question = models.TextField()
    pipeline = models.ForeignKey(PipelineRecord, on_delete=models.PROTECT, related_name="traces")
    degraded = models.BooleanField(default=False)
    rerank_status = models.CharField(max_length=10, blank=True)
    total_ms = models.FloatField(default=0.0)
    answered = models.BooleanField(default=False)
    documents = models.JSONField(default=list, help_text="Ids of the documents of all its passages.")
    used = models.JSONField(default=list, help_text="Ids of the documents whose passages the answer saw.")
    body = LargeJSONField()

    class Meta:
        ordering = ["-created"]
        permissions = [("search_as", "Can search with the rights of another user")]

    def __str__(self) -> str:
        return self.question


class PassageText(models.Model):
    """The text of a passage in a trace, once a document: it stays when the document gets a new version,
    and goes with the document."""

    # No constraint in the database: a document may be deleted while a question that found it ends.
    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="kept_texts", db_constraint=False
    )
    sha256 = models.CharField(max_length=64)
    text = models.TextField()
    used = models.DateField(
        default=today, db_index=True, help_text="When a trace last had it, to a few days; for its expiry."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "sha256"], name="passage_text")]

    def __str__(self) -> str:
        return self.sha256


class Feedback(models.Model):
    """Thumbs up or down on an answer, once a person; the last word counts."""

    trace = models.ForeignKey(TraceRecord, on_delete=models.CASCADE, related_name="feedback")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    who = models.CharField(max_length=48, help_text="`user:ID` or `browser:NAME`: one word each.")
    liked = models.BooleanField()
    reason = models.CharField(max_length=1000, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace", "who"], name="feedback_once"),
        ]

    def __str__(self) -> str:
        return f"{'up' if self.liked else 'down'} {self.trace_id}"
