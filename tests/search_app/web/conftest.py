"""A public and a closed collection, people, and a browser that has asked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search_app.models import Collection, TraceRecord

PASSWORD = "long enough to pass"


@pytest.fixture
def filled(ingest: Callable[..., object], folder: Path, tmp_path: Path) -> None:
    """Public `notes`, and `board`, which nobody but staff may read yet."""
    ingest(folder)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "plan.md").write_text("# Plan\n\nThe ferry company will be sold in spring.\n")
    ingest(secret, collection="board")
    Collection.objects.filter(name="board").update(public=False)


@pytest.fixture
def dana(db: None) -> User:
    return User.objects.create_user("dana", password=PASSWORD)


def ask(client: Client, question: str = "When does the ferry leave?", **more: str) -> TraceRecord:
    """Ask without scripts; gives what was kept of it."""
    before = set(TraceRecord.objects.values_list("pk", flat=True))
    response = client.get("/ask", {"q": question, "wait": "1", **more})
    assert response.status_code == 302, response.content.decode()[:2000]
    return TraceRecord.objects.exclude(pk__in=before).get()
