"""Documents in and out: whole or not at all, once whatever is sent twice, gone when deleted."""

import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from rag.errors import SieveError
from search_app import claims, contents, services, uploads
from search_app.models import Collection, Document, Removal


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, settings: object) -> Path:
    settings.CONTENT_DIR = tmp_path / "contents"
    return settings.CONTENT_DIR


@pytest.fixture
def notes(db: None) -> Collection:
    return services.collection("notes")


def put(collection: Collection, name: str, data: bytes) -> list[uploads.Put]:
    return uploads.put(collection, uploads.arrive(name, [data]))


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call gives, or raises, when all begin together."""
    results: list[object] = [None] * len(calls)
    ready = threading.Barrier(len(calls))

    def run(place: int) -> None:
        ready.wait()
        try:
            results[place] = calls[place]()
        except BaseException as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_file_waits_to_be_indexed_and_its_bytes_are_kept(notes: Collection) -> None:
    (made,) = put(notes, "deep/a.TXT", b"text")
    document = made.document
    assert (made.created, made.changed) == (True, True)
    assert (document.state, document.format, document.size, document.fence) == ("queued", "txt", 4, 0)
    assert contents.read(document.content_hash) == b"text"


def test_the_same_content_again_changes_nothing(notes: Collection) -> None:
    put(notes, "a.txt", b"text")
    (again,) = put(notes, "a.txt", b"text")
    assert (again.created, again.changed) == (False, False)
    assert Document.objects.get().fence == 0
    Document.objects.update(state="failed", reason="Broke.")
    (tried,) = put(notes, "a.txt", b"text")
    assert (tried.changed, Document.objects.get().state, Document.objects.get().reason) == (
        True,
        "queued",
        "",
    )


def test_new_content_takes_the_work_from_whoever_is_at_it(notes: Collection) -> None:
    put(notes, "a.txt", b"old")
    held = claims.claim(1)
    (new,) = put(notes, "a.txt", b"new")
    assert (new.created, new.changed) == (False, True)
    assert claims.held(held) == set()
    (claim,) = claims.claim(1)
    assert (claim.attempts, contents.read(claim.content_hash)) == (1, b"new")
    assert claim.fence == held[0].fence + 2


def test_names_are_labels_and_two_cases_are_two_documents(notes: Collection) -> None:
    for name in ("../../etc/a.txt", "C:\\docs\\a.txt", "A.txt", "a.txt", "/a.txt"):
        put(notes, name, b"x")
    assert set(Document.objects.values_list("name", flat=True)) == {
        "etc/a.txt",
        "docs/a.txt",
        "A.txt",
        "a.txt",
    }
    for name in ("", "..", "/", "./..//"):
        with pytest.raises(SieveError, match="has no name"):
            uploads.arrive(name, [b"x"])


def test_an_archive_is_its_members_and_the_damaged_one_says_why(notes: Collection) -> None:
    inner = zipped({"c.txt": b"c"})
    data = zipped({"a.txt": b"a", "sub/b.txt": b"b", "more.zip": inner, "bad.zip": b"PK no"})
    assert len(put(notes, "all.zip", data)) == 4
    states = dict(Document.objects.values_list("name", "state"))
    assert states == {
        "all.zip/a.txt": "queued",
        "all.zip/sub/b.txt": "queued",
        "all.zip/more.zip/c.txt": "queued",
        "all.zip/bad.zip": "failed",
    }


@pytest.mark.parametrize("data", [b"PK\x03\x04 no archive", zipped({}), b""])
def test_an_archive_that_cannot_be_opened_is_one_failed_row(notes: Collection, data: bytes) -> None:
    (made,) = put(notes, "all.zip", data)
    assert (made.document.name, made.document.state) == ("all.zip", "failed")
    assert made.document.reason.endswith(".")
    assert uploads.retry([made.document]) == 0  # there is nothing to try again with


def test_an_archive_over_a_limit_is_refused_whole(notes: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = uploads.archive.ArchiveLimits(members=2)
    monkeypatch.setattr(uploads.archive, "ArchiveLimits", lambda: limits)
    (made,) = put(notes, "all.zip", zipped({f"{n}.txt": b"x" for n in range(3)}))
    assert (made.document.name, made.document.state) == ("all.zip", "failed")
    assert "more than 2 files" in made.document.reason


def test_a_file_that_is_too_large_is_failed_and_nothing_is_kept(
    notes: Collection, settings: object, kept: Path
) -> None:
    settings.MAX_FILE_BYTES = 10
    (made,) = put(notes, "a.txt", b"x" * 11)
    assert (made.document.state, made.document.content_hash) == ("failed", "")
    assert [path for path in kept.rglob("*") if path.is_file()] == []


def test_all_of_an_upload_or_nothing(notes: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    put(notes, "b.txt", b"old")
    arrivals = [a for name in ("a.txt", "b.txt", "c.txt") for a in uploads.arrive(name, [b"new"])]

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Document, "save", die)  # the new names are in, the known one is being changed
        with pytest.raises(KeyboardInterrupt):
            uploads.put(notes, arrivals)
    assert list(Document.objects.values_list("name", flat=True)) == ["b.txt"]
    assert contents.read(Document.objects.get().content_hash) == b"old"


def test_a_deleted_document_leaves_a_removal_and_may_come_again_as_another(notes: Collection) -> None:
    (first,) = put(notes, "a.txt", b"text")
    held = claims.claim(1)
    assert uploads.delete([first.document]) == 1
    assert uploads.delete([first.document]) == 0
    assert list(Removal.objects.values_list("document_number", "version")) == [(first.document.pk, None)]
    (second,) = put(notes, "a.txt", b"text")
    assert second.created
    assert second.document.pk != first.document.pk
    assert claims.held(held) == set()


def test_whatever_deletes_documents_leaves_removals(notes: Collection) -> None:
    put(notes, "a.txt", b"a")
    put(notes, "b.txt", b"b")
    notes.delete()
    assert Removal.objects.count() == 2


def test_the_same_content_is_tried_again_when_its_attempts_were_lost(notes: Collection) -> None:
    put(notes, "a.md", b"Ferry")
    for attempt in (1, 2, 3):
        claims.claim(1)
        assert put(notes, "a.md", b"Ferry")[0].changed == (attempt == 3)
        claims.lapse(everything=True)
    assert Document.objects.get().attempts == 0


def test_failed_ones_are_tried_again_and_any_are_queued_again(notes: Collection) -> None:
    documents = [put(notes, f"{n}.txt", b"x")[0].document for n in range(3)]
    Document.objects.update(state="searchable", version=1)
    Document.objects.filter(name="1.txt").update(state="failed", reason="Broke.", attempts=3)
    assert uploads.retry(documents) == 1
    (claim,) = claims.claim(9)
    assert (claim.name, claim.attempts) == ("1.txt", 1)
    assert uploads.reindex(notes) == 3
    assert claims.held([claim]) == set()
    assert len(claims.claim(9)) == 3


def test_thousands_are_deleted_in_one_call(notes: Collection) -> None:
    Document.objects.bulk_create(Document(collection=notes, name=f"{n}") for n in range(1203))
    assert uploads.delete(Document.objects.all()) == 1203
    assert Removal.objects.count() == 1203


@pytest.mark.django_db(transaction=True)
def test_a_collection_that_went_away_is_an_error_with_a_sentence() -> None:
    gone = services.collection("gone")
    Collection.objects.all().delete()
    with pytest.raises(SieveError, match="deleted meanwhile"):
        put(gone, "a.txt", b"x")
    assert Document.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_same_file_at_once_has_one_effect() -> None:
    notes = services.collection("notes")
    results = at_once(*[lambda: put(notes, "a.txt", b"text")] * 4)
    assert sorted(r[0].created for r in results) == [False, False, False, True]
    document = Document.objects.get()
    assert (document.fence, document.state) == (0, "queued")
    at_once(*[lambda n=n: put(notes, "a.txt", b"text %d" % n) for n in range(4)])
    document.refresh_from_db()
    assert (Document.objects.count(), document.fence) == (1, 4)
    assert contents.read(document.content_hash).startswith(b"text ")


@pytest.mark.django_db(transaction=True)
def test_many_names_in_any_order_at_once_block_nobody() -> None:
    notes = services.collection("notes")
    names = [f"{n:02}.txt" for n in range(40)]
    put(notes, names[7], b"before")

    def send(order: list[str], data: bytes) -> list[uploads.Put]:
        return uploads.put(notes, [a for name in order for a in uploads.arrive(name, [data])])

    def remove() -> int:
        return uploads.delete(Document.objects.filter(name__lt="20"))

    results = at_once(
        lambda: send(names, b"one"),
        lambda: send(names[::-1], b"two"),
        lambda: send(names[20:] + names[:20], b"three"),
        remove,
    )
    assert [result for result in results if isinstance(result, BaseException)] == []
    assert set(names[20:]) <= set(Document.objects.values_list("name", flat=True))
    last = {contents.read(d.content_hash) for d in Document.objects.filter(name__gte="20")}
    assert len(last) == 1  # the last upload counts for all of its names
