"""What is cleared away, and when: nothing that somebody may still need."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from search_app import claims, contents, services, upkeep, uploads
from search_app.models import Document, DocumentVersion, PassageText, Removal, StoredResponse


@pytest.fixture(autouse=True)
def fresh(db: None, tmp_path: Path, settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CONTENT_DIR = tmp_path / "contents"
    monkeypatch.setattr(upkeep, "_last", None)


def put(name: str, data: bytes) -> Document:
    return uploads.put(services.collection("notes"), uploads.arrive(name, [data]))[0].document


def test_there_is_work_when_something_waits_lapsed_or_is_to_leave_the_index() -> None:
    assert not upkeep.due()
    document = put("a.txt", b"x")
    assert upkeep.due()
    held = claims.claim(1)
    assert not upkeep.due()
    claims.renew(held, now=timezone.now() - timedelta(hours=1))
    assert upkeep.due()
    claims.refuse(held, "Broke.")
    assert not upkeep.due()
    uploads.delete([document])
    assert upkeep.due()
    Removal.objects.all().delete()
    assert not upkeep.due()


def test_once_an_hour() -> None:
    assert upkeep.upkeep(now=0.0)
    assert not upkeep.upkeep(now=3599.0)
    assert upkeep.upkeep(now=3601.0)


def test_files_of_shown_and_of_newest_contents_stay() -> None:
    shown, newest, gone = (put(f"{n}.txt", data) for n, data in enumerate((b"shown", b"newest", b"gone")))
    DocumentVersion.objects.create(document=shown, version=1, content_hash=shown.content_hash)
    put(shown.name, b"newer, not indexed yet")
    uploads.delete([gone])
    for file in contents.settings.CONTENT_DIR.glob("??/*"):
        os.utime(file, (time.time() - 4000,) * 2)
    upkeep.upkeep()
    assert contents.read(shown.content_hash) == b"shown"
    assert contents.read(newest.content_hash) == b"newest"
    assert contents.missing([gone.content_hash]) == [gone.content_hash]


def test_answers_of_yesterday_and_texts_of_nobody_go() -> None:
    document = put("a.txt", b"x")
    for key, hours in (("old", 25), ("new", 23)):
        StoredResponse.objects.create(owner="user:1", key=key, request_hash="")
        StoredResponse.objects.filter(key=key).update(created=timezone.now() - timedelta(hours=hours))
    PassageText.objects.create(document=document, sha256="kept", text="x")
    upkeep.upkeep()
    assert list(StoredResponse.objects.values_list("key", flat=True)) == ["new"]
    assert list(PassageText.objects.values_list("sha256", flat=True)) == ["kept"]


@pytest.mark.django_db(transaction=True)
def test_texts_of_a_document_that_is_gone_go() -> None:
    PassageText.objects.create(document_id=987, sha256="lost", text="x")
    upkeep.upkeep()
    assert PassageText.objects.count() == 0
