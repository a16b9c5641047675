"""Pipelines: the specs that were written here, and each that ever answered."""

from django.conf import settings
from django.db import models


class PipelineVersion(models.Model):
    """A spec as it was saved in the admin. Versions are never changed; one of a name is in use."""

    name = models.SlugField(max_length=100)
    version = models.PositiveIntegerField()
    spec = models.JSONField()
    fingerprint = models.CharField(max_length=80)
    note = models.CharField(max_length=200, blank=True, help_text="What was changed, and why.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    active = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="pipeline_version"),
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(active=True), name="pipeline_one_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


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
