"""Keys of the REST API, and what they have already been answered."""

from django.conf import settings
from django.db import models

from search_app.models.documents import Collection


class ApiKey(models.Model):
    """Acts for its user, within its scopes and collections. The key itself is shown once, never kept."""

    class Scope(models.TextChoices):
        SEARCH = "search", "Search, answers and feedback"
        READ = "read", "Read collections, documents and traces"
        WRITE = "write", "Upload, replace and delete documents"
        METRICS = "metrics", "Read the metrics"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, help_text="What it is for.")
    prefix = models.CharField(
        max_length=16, unique=True, help_text="Its first characters, to tell keys apart."
    )
    digest = models.CharField(max_length=64, help_text="SHA-256 of the key, which has 256 random bits.")
    scopes = models.JSONField(default=list, help_text="What it may do.")
    limited = models.BooleanField(
        default=False,
        help_text="Reads only its collections. It stays so when the last of them is deleted.",
    )
    collections = models.ManyToManyField(
        Collection, blank=True, related_name="+", help_text="What a limited key may read."
    )
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True, help_text="To the minute.")

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class StoredResponse(models.Model):
    """What a request with an `Idempotency-Key` was answered: the same request again gets the same answer."""

    owner = models.CharField(max_length=40, help_text="`user:ID` or `key:ID`.")
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty: still at it.")
    body = models.JSONField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key")]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
