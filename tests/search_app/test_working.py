"""Runs of the worker: each document ends searchable or failed with a reason, whatever comes between."""

import errno
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.select import parse as parse_file
from rag.types import Lexical
from search_app import claims, indexes, ingesting, pipelines, proof, selectors, services, uploads
from search_app.consistency import differences
from search_app.ingest_results import Report
from search_app.models import Collection, Document, DocumentVersion, Removal
from tests.search_app.conftest import InProcess
from workers import ingest as worker

Parse = Callable[[bytes, str], ParsedDocument]


@pytest.fixture
def notes(light: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    monkeypatch.setattr(pipelines, "ParserPool", InProcess)
    monkeypatch.setattr(worker, "_first", True)
    worker.reset()
    worker._stopped.clear()
    yield services.collection("notes")
    worker._stopped.clear()


def put(collection: Collection, name: str, text: str) -> Document:
    return uploads.put(collection, uploads.arrive(name, [text.encode()]))[0].document


def work(parse: Parse = parse_file, **options: object) -> Report:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipelines, "ParserPool", lambda: InProcess(parse))
        with pipelines.ingest() as ingest:
            return ingest.run(**options)


def again(document: Document) -> Document:
    document.refresh_from_db()
    return document


def held() -> dict[tuple[str, int], int]:
    return indexes.reader(pipelines.encoder()).documents()


def shown(words: str) -> list[str]:
    """Texts that a search for these words shows to somebody who may read everything."""
    from search_app.access import OPERATOR, permit_for

    (leg,) = indexes.reader(pipelines.encoder()).search([Lexical(words)], 50, ["notes"])
    passages = leg.ranking.passages
    allowed = permit_for(OPERATOR)(passages)
    return [p.text for p in passages if p.id in allowed]


def clean() -> bool:
    return differences(held) == [] and not Removal.objects.exists()


# --- The way it goes -------------------------------------------------------------------------------------


def test_what_is_put_is_found_by_a_worker_that_nobody_told(notes: Collection) -> None:
    document = put(notes, "a.txt", "granite lighthouse")
    assert worker.tick()
    assert worker.work() is False
    document = again(document)
    assert (document.state, document.version, document.attempts) == ("searchable", 1, 1)
    assert document.lease_until is None
    assert shown("lighthouse") == ["granite lighthouse"]
    assert worker.tick() is False
    assert clean()


def test_there_is_more_to_do_until_nothing_is(notes: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        put(notes, f"{n}.txt", f"number {n}")
    monkeypatch.setattr(worker, "ROUND_S", 0.0)  # claims nothing: it comes too late for everything
    assert worker.work() is True
    assert set(Document.objects.values_list("attempts", flat=True)) == {0}
    monkeypatch.setattr(worker, "ROUND_S", 20.0)
    assert worker.work() is False
    assert set(Document.objects.values_list("state", "attempts")) == {("searchable", 1)}


def test_documents_of_several_collections_and_languages_in_one_run(notes: Collection) -> None:
    put(notes, "a.txt", "the ferries")
    put(services.collection("german", language="de"), "b.txt", "die Fähren")
    put(services.collection("chinese", language="cjk"), "c.txt", "渡輪")
    assert work().counts == {"indexed": 3}
    assert clean()


def test_a_collection_made_anew_in_another_language_blocks_nobody(notes: Collection) -> None:
    put(notes, "a.txt", "the ferries")
    work()
    notes.delete()
    put(services.collection("notes", language="de"), "a.txt", "die Fähren")
    assert work().counts == {"indexed": 1}
    assert shown("Fähre") == ["die Fähren"]
    assert clean()


def test_the_same_content_again_is_only_looked_for(notes: Collection) -> None:
    document = put(notes, "a.txt", "granite")
    work()
    uploads.reindex(notes)
    assert work().counts == {"unchanged": 1}
    assert again(document).version == 1
    writer = indexes.writer(pipelines.encoder())
    writer.delete(str(document.pk))
    writer.close()
    uploads.reindex(notes)
    assert work().counts == {"indexed": 1}
    assert again(document).version > 1
    assert clean()


def test_a_worker_gives_signs_of_life_while_one_document_takes_long(
    notes: Collection, settings: object
) -> None:
    settings.INGEST_LEASE_SECONDS = 0.5
    put(notes, "a.txt", "granite")
    leases = set()

    def look() -> bool:
        leases.add(Document.objects.get().lease_until)
        return False

    def parse(data: bytes, name: str) -> ParsedDocument:
        time.sleep(1.0)
        return parse_file(data, name)

    assert work(parse, stop=look).counts == {"indexed": 1}
    assert len(leases - {None}) >= 3


# --- Replaced, retried, deleted meanwhile ------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["replace", "delete"])
def test_what_changes_while_it_is_parsed_counts(notes: Collection, what: str) -> None:
    document = put(notes, "a.txt", "first granite")
    work()
    put(notes, "a.txt", "second basalt")

    def parse(data: bytes, name: str) -> ParsedDocument:
        if b"second" in data:  # in the reading thread, as another process would
            (uploads.delete([document]) if what == "delete" else put(notes, "a.txt", "third chalk"))
            connection.close()
        return parse_file(data, name)

    report = work(parse)
    assert report.counts["refused"] == 1
    if what == "delete":
        assert Document.objects.count() == 0
        assert held() == {}
    else:
        assert shown("granite basalt chalk") == ["third chalk"]
        assert again(document).state == "searchable"
    assert clean()
    work()
    assert shown("granite basalt") == []  # it does not come back


@pytest.mark.django_db(transaction=True)
def test_an_old_holder_that_commits_late_is_refused(notes: Collection) -> None:
    document = put(notes, "a.txt", "granite")
    fences: list[int] = []

    def late(results: object, recipe: str) -> None:
        pytest.fail("the claim was lost: nothing may be stored")

    @contextmanager
    def lost() -> Iterator[None]:  # after the index was written, before the transaction
        if not fences:
            Document.objects.filter(pk=document.pk).update(lease_until=None)
            (claim,) = claims.claim(1)
            fences.append(claim.fence)
        with transaction.atomic():
            yield

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingesting, "durable", lost)
        patched.setattr(ingesting, "store_versions", lambda r, recipe: late(r, recipe) if r else None)
        assert work().counts == {"refused": 1}
    assert (again(document).state, document.version, document.fence) == ("working", 0, fences[0])
    assert held() == {}


@pytest.mark.django_db(transaction=True)
def test_a_replaced_document_is_shown_as_it_was_or_as_it_is(notes: Collection) -> None:
    for n in range(12):
        put(notes, f"{n}.txt", f"lighthouse old {n}")
    work()
    seen: set[tuple[int, int]] = set()
    stop = threading.Event()

    def look() -> None:
        try:
            while not stop.is_set():
                texts = shown("lighthouse")
                numbers = [text.split()[-1] for text in texts]
                seen.add((len(texts), len(set(numbers))))
        finally:
            connection.close()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for n in range(12):
            put(notes, f"{n}.txt", f"lighthouse new {n}")
        work()
    finally:
        stop.set()
        looking.join()
    assert all(texts == numbers for texts, numbers in seen)  # never two versions of one
    assert sorted(shown("lighthouse"))[0].startswith("lighthouse new")
    assert len(shown("lighthouse")) == 12
    assert clean()


def test_new_content_that_fails_leaves_the_old_to_be_found(notes: Collection) -> None:
    document = put(notes, "a.txt", "granite")
    work()
    put(notes, "a.txt", "  ")
    assert work().counts == {"failed": 1}
    assert (again(document).state, document.version) == ("failed", 1)
    assert shown("granite") == ["granite"]
    assert clean()


# --- Deaths and errors -------------------------------------------------------------------------------------


def test_the_next_worker_takes_up_at_once_what_a_dead_one_had(notes: Collection) -> None:
    document = put(notes, "a.txt", "granite")
    claims.claim(1, lease_s=3600)  # and dies
    assert worker.work() is False
    assert (again(document).state, document.attempts, document.version) == ("searchable", 2, 2)


def test_killed_between_commit_and_proof_it_is_only_proved(
    notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put(notes, "a.txt", "granite")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(claims, "finish", die)
        patched.setattr(claims, "give_back", lambda *_: None)  # a kill gives nothing back
        work()
    assert (again(document).state, document.version) == ("working", 1)
    assert work().counts == {"unchanged": 1}
    assert (again(document).state, document.version) == ("searchable", 1)
    assert clean()


def test_who_is_interrupted_gives_back_what_was_in_hand(notes: Collection) -> None:
    for n in range(5):
        put(notes, f"{n}.txt", f"granite {n}")
    looks = iter([False, False])

    def interrupt() -> bool:
        if next(looks, None) is None:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        work(stop=interrupt)
    assert set(Document.objects.values_list("state", "attempts")) == {("queued", 0)}
    work()
    assert set(Document.objects.values_list("state", flat=True)) == {"searchable"}
    assert clean()


def test_a_document_that_breaks_its_stage_fails_after_three_attempts_and_no_other_does(
    notes: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(20):
        put(notes, f"{n}.txt", f"granite {n}")
    poison = put(notes, "poison.txt", "secret words")

    def parse(data: bytes, name: str) -> ParsedDocument:
        if name == "poison.txt":
            raise ZeroDivisionError(data.decode())
        return parse_file(data, name)

    report = work(parse)
    assert report.counts == {"indexed": 20, "again": 2, "failed": 1}
    poison = again(poison)
    assert (poison.state, poison.attempts) == ("failed", 3)
    assert "ZeroDivisionError" in poison.reason
    assert "secret" not in poison.reason + "".join(r.getMessage() for r in caplog.records)
    assert set(Document.objects.exclude(pk=poison.pk).values_list("attempts", flat=True)) == {1}
    uploads.retry([poison])
    assert work().counts == {"indexed": 1}


def test_one_that_breaks_the_encoder_takes_no_other_with_it(
    notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = type(pipelines.encoder())
    original = encoder.encode_passages

    def encode(self: object, texts: list[str]) -> object:
        if any("poison" in text for text in texts):
            raise ValueError("no")
        return original(self, texts)

    monkeypatch.setattr(encoder, "encode_passages", encode)
    for n in range(10):
        put(notes, f"{n}.txt", "poison" if n == 5 else f"granite {n}")
    assert work().counts == {"indexed": 9, "again": 2, "failed": 1}
    assert set(Document.objects.exclude(name="5.txt").values_list("attempts", flat=True)) == {1}


def test_a_full_disk_fails_nobody(notes: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        put(notes, f"{n}.txt", f"granite {n}")
    with monkeypatch.context() as patched:
        full = OSError(errno.ENOSPC, "No space left on device")
        patched.setattr("rag.index.embedded.vectors.Appender.append", lambda *_: (_ for _ in ()).throw(full))
        for _ in range(5):
            with pytest.raises(OSError, match="No space left"):
                work()
    assert set(Document.objects.values_list("state", "attempts")) == {("queued", 0)}
    assert work().counts == {"indexed": 5}
    assert clean()


def test_what_a_search_does_not_find_is_not_called_searchable(
    notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = put(notes, "a.txt", "granite")
    other = put(notes, "b.txt", "basalt")
    original = proof.objection

    def deaf(reader: object, passage: object, *rest: object) -> str:
        return proof.NOT_BY["bm25"] if passage.text == "granite" else original(reader, passage, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(proof, "objection", deaf)
        report = work()
    assert (report.counts["failed"], report.counts["again"]) == (1, 2)
    assert (again(document).state, document.reason) == ("failed", proof.NOT_BY["bm25"])
    assert again(other).state == "searchable"
    uploads.retry([document])
    assert work().counts == {"unchanged": 1}
    assert clean()


def test_a_file_that_is_gone_from_the_store_says_so(notes: Collection) -> None:
    from search_app import contents

    document = put(notes, "a.txt", "granite")
    contents.path(document.content_hash).unlink()
    assert work().counts == {"failed": 1}
    assert "Upload it again" in again(document).reason


def test_a_worker_that_is_told_to_stop_ends_and_loses_nothing(notes: Collection) -> None:
    for n in range(25):
        put(notes, f"{n}.txt", f"granite {n}")
    begun = 0

    def parse(data: bytes, name: str) -> ParsedDocument:
        nonlocal begun
        begun += 1
        worker.stop()
        return parse_file(data, name)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipelines, "ParserPool", lambda: InProcess(parse))
        assert worker.work() is False
    assert begun < 25
    states = set(Document.objects.values_list("state", "attempts"))
    assert states == {("searchable", 1), ("queued", 0)}
    work()
    assert set(Document.objects.values_list("state", flat=True)) == {"searchable"}


def test_a_second_worker_leaves_the_first_alone(notes: Collection) -> None:
    document = put(notes, "a.txt", "granite")
    with pipelines.ingest():
        (claim,) = claims.claim(1)
        assert worker.work() is False
    assert (again(document).state, document.fence) == ("working", claim.fence)


def test_a_bad_file_is_failed_at_the_first_attempt(notes: Collection) -> None:
    def parse(data: bytes, name: str) -> ParsedDocument:
        raise ParseError("It is written in ink.")

    document = put(notes, "a.txt", "x")
    assert work(parse).counts == {"failed": 1}
    assert (again(document).attempts, document.reason) == (1, "It is written in ink.")
    assert DocumentVersion.objects.count() == 0


def test_passages_are_those_of_the_fence(notes: Collection) -> None:
    document = put(notes, "a.txt", "granite")
    work()
    put(notes, "a.txt", "basalt")
    work()
    document = again(document)
    version = DocumentVersion.objects.get()
    assert version.version == document.version == document.fence == 3
    assert version.content_hash == document.content_hash
    assert [p.version for p in selectors.passages(document, version)] == [3]


@pytest.mark.django_db(transaction=True)
def test_whatever_is_changed_while_a_worker_works_the_last_word_counts(notes: Collection) -> None:
    rng = random.Random(7)
    names = [f"{n}.txt" for n in range(8)]
    expected: dict[str, str | None] = dict.fromkeys(names)
    changing = threading.Event()
    errors: list[BaseException] = []

    def change() -> None:
        try:
            for number in range(40):
                name = rng.choice(names)
                match rng.choice(["put", "put", "put", "delete", "requeue", "same"]):
                    case "put":
                        expected[name] = rng.choice([f"granite number{number}", "  "])
                        put(notes, name, expected[name])
                    case "same" if expected[name]:
                        put(notes, name, expected[name])
                    case "requeue":
                        uploads.requeue(Document.objects.filter(name=name))
                    case "delete":
                        expected[name] = None
                        uploads.delete(Document.objects.filter(name=name))
        except BaseException as error:
            errors.append(error)
        finally:
            changing.set()
            connection.close()

    thread = threading.Thread(target=change)
    thread.start()
    while not changing.is_set():
        worker.work()
    thread.join()
    while worker.tick():
        worker.work()
    assert errors == []
    states = {d.name: d.state for d in Document.objects.all()}
    assert states == {
        name: "searchable" if text.strip() else "failed"
        for name, text in expected.items()
        if text is not None
    }
    texts = {text for text in expected.values() if text and text.strip()}
    assert texts <= set(shown("granite"))
    now = {d.name: d for d in Document.objects.filter(state="searchable")}
    for name, document in now.items():
        version = DocumentVersion.objects.get(document=document)
        assert (version.version, version.text.strip()) == (document.version, expected[name])
    assert clean()
