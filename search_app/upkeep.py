"""What somebody has to look after every few seconds, and what every hour."""

import time
from datetime import timedelta

from django.utils import timezone

from search_app import claims, contents, expiry, promotion, reindexing
from search_app.consistency import wanted_contents
from search_app.events import event
from search_app.models import Document, PassageText, Removal, StoredResponse

EVERY_S = 3600.0
ANSWERS_KEPT = timedelta(hours=24)
"""Of requests with an idempotency key."""

_last: float | None = None


def due() -> bool:
    """Whether the ingest worker has something to do."""
    return claims.due().exists() or Removal.objects.exists() or reindexing.due()


def upkeep(*, now: float | None = None) -> bool:
    """Clear away what has had its time, once an hour in each process; says whether it was done."""
    global _last
    now = time.monotonic() if now is None else now
    if _last is not None and now - _last < EVERY_S:
        return False
    _last = now
    files = contents.collect(wanted_contents())
    answered = timezone.now() - ANSWERS_KEPT
    responses, _ = StoredResponse.objects.filter(created__lt=answered).delete()
    texts, _ = PassageText.objects.exclude(document__in=Document.objects.all()).delete()
    if files or responses or texts:
        event("cleared", files=files, responses=responses, texts=texts)
    expiry.expire()
    promotion.clear()
    return True
