"""Re-indexings on a cluster: each builds one version of the index beside the one in use."""

from django.conf import settings
from django.db import models


class Reindex(models.Model):
    """One version of the index, from the moment it was wanted to the moment it was dropped.

    Whoever builds it holds the row by a lease, like a document's worker. What a version is used for at
    this moment is said by the cluster's aliases alone.
    """

    class State(models.TextChoices):
        BUILDING = "building"
        READY = "ready"
        PROMOTED = "promoted"
        FAILED = "failed"
        DROPPED = "dropped"

    state = models.CharField(max_length=10, choices=State.choices, default=State.BUILDING)
    open = models.BooleanField(
        null=True, unique=True, default=True, help_text="True for the one that is not at its end, else empty."
    )
    index = models.CharField(max_length=300, blank=True, help_text="The version that is built.")
    backend = models.CharField(max_length=100, help_text="Of the encoder.")
    model = models.CharField(max_length=200, help_text="Of the encoder.")
    fingerprint = models.CharField(max_length=200, help_text="Of the encoder.")
    done = models.PositiveBigIntegerField(default=0, help_text="Documents that the new version holds.")
    total = models.PositiveBigIntegerField(default=0, help_text="Documents that it is to hold.")
    reason = models.TextField(blank=True, help_text="Why it failed.")
    by_worker = models.BooleanField(default=False, help_text="The ingest worker builds it.")
    holder = models.CharField(max_length=64, blank=True, help_text="Who builds it at this moment.")
    lease_until = models.DateTimeField(null=True, blank=True)
    who = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    started = models.DateTimeField(auto_now_add=True)
    built = models.DateTimeField(null=True, blank=True)
    switched = models.DateTimeField(
        null=True, blank=True, help_text="When a promotion or a rollback last put it in use or aside."
    )
    judged = models.PositiveIntegerField(default=0, help_text="Questions behind the two measures.")
    ndcg_before = models.FloatField(null=True, blank=True, help_text="nDCG@10 of the version in use then.")
    ndcg_after = models.FloatField(null=True, blank=True, help_text="nDCG@10 of this one.")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.index or f"re-index {self.pk}"
