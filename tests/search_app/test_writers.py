"""An index with any number of writers: sweeps, removals and leases while others are at work."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from rag.errors import IndexUnavailable, PassagesRefused
from rag.index.base import IndexReader, IndexWriter, Leg
from search_app import claims, indexes, pipelines, proof, removals, services, uploads
from search_app.consistency import differences
from search_app.ingest_results import Report
from search_app.models import Collection, Document, Removal
from tests.search_app.conftest import InProcess


class Around:
    """The real reader or writer, with some of it changed by a test."""

    def __init__(self, real: Any, **changed: Any) -> None:
        self._real = real
        self.__dict__ |= changed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def notes(light: None, monkeypatch: pytest.MonkeyPatch) -> Collection:
    monkeypatch.setattr(pipelines, "ParserPool", InProcess)
    return services.collection("notes")


@pytest.fixture
def writer(notes: Collection) -> Iterator[IndexWriter]:
    """The one writer of the embedded index, held for all workers of a test: none of them excludes another."""
    held = indexes.writer(pipelines.encoder())
    held.set_languages({"notes": "en"})
    yield Around(held, exclusive=False, close=lambda: None)
    held.close()


@pytest.fixture
def work(writer: IndexWriter, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    monkeypatch.setattr(indexes, "writer", lambda *_, **__: Around(writer))

    def run(reader: IndexReader | None = None, **changed: Any) -> Report:
        with pipelines.ingest() as ingest:
            own = Around(writer, **changed)
            return replace(ingest, writer=own, reader=reader or ingest.reader).run()

    return run


def put(collection: Collection, name: str, text: str) -> Document:
    return uploads.put(collection, uploads.arrive(name, [text.encode()]))[0].document


def reader() -> IndexReader:
    return indexes.reader(pipelines.encoder())


def held() -> dict[tuple[str, int], int]:
    return reader().documents()


def clean() -> bool:
    return differences(held) == [] and not Removal.objects.exists()


def states() -> set[tuple[str, int]]:
    return set(Document.objects.values_list("state", "attempts"))


# --- Sweeps ------------------------------------------------------------------------------------------------


def test_a_sweep_spares_what_another_worker_has_written_and_not_committed(
    notes: Collection, work: Callable[..., Report], writer: IndexWriter
) -> None:
    document = put(notes, "a.txt", "granite")
    swept: list[int] = []

    def write(documents: Any) -> None:  # the other worker starts while this one is between index and database
        writer.write(documents)
        swept.append(removals.sweep(reader(), writer)[1])

    assert work(write=write).counts == {"indexed": 1}
    assert swept == [0]
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("searchable", 1)
    assert clean()


def test_what_a_dead_worker_left_is_swept_once_its_row_is_claimed_anew(
    notes: Collection, work: Callable[..., Report], writer: IndexWriter
) -> None:
    put(notes, "a.txt", "granite")

    def die(documents: Any) -> None:
        writer.write(documents)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(claims, "give_back", lambda *_: None)  # a kill gives nothing back, and notes nothing
        patched.setattr(removals, "abandon", lambda *_: None)
        work(write=die)
    assert len(held()) == 1
    assert removals.sweep(reader(), writer) == ([], 0)  # it may live
    Document.objects.update(lease_until=None)
    assert claims.lapse() == 1
    assert Removal.objects.count() == 1  # without a sweep
    assert work().counts == {"indexed": 1}
    assert [version for _, version in held()] == [2]
    assert clean()


def test_a_lease_that_ends_between_commit_and_proof_leaves_the_current_version(
    notes: Collection, work: Callable[..., Report]
) -> None:
    document = put(notes, "a.txt", "granite")
    work()
    Document.objects.update(state="working", lease_until=None)
    assert claims.lapse() == 1
    assert not Removal.objects.exists()
    assert work().counts == {"unchanged": 1}
    assert held() == {(str(document.pk), 1): 1}


def test_what_is_committed_while_a_sweep_reads_the_index_is_not_queued_again(
    notes: Collection, work: Callable[..., Report], writer: IndexWriter
) -> None:
    put(notes, "a.txt", "granite")
    work()
    looks: list[int] = []

    def documents() -> dict[tuple[str, int], int]:
        found = held()
        if not looks:  # another worker brings one to its end, and replaces the other
            put(notes, "b.txt", "basalt")
            put(notes, "a.txt", "chalk")
            pipelines._swept = True
            work()
        looks.append(len(found))
        return found

    assert removals.sweep(Around(reader(), documents=documents), writer) == ([], 1)
    assert looks == [1, 2]
    assert clean()


def test_what_the_index_has_lost_is_queued_again(
    notes: Collection, work: Callable[..., Report], writer: IndexWriter
) -> None:
    document = put(notes, "a.txt", "granite")
    work()
    writer.delete(str(document.pk))
    assert removals.sweep(reader(), writer) == ([document.pk], 0)
    pipelines._swept = False
    assert work().counts == {"indexed": 1}
    assert clean()


def test_an_outage_needs_no_sweep_and_a_bug_does(notes: Collection, work: Callable[..., Report]) -> None:
    work()
    assert pipelines._swept
    with pytest.raises(IndexUnavailable), pipelines.ingest():
        raise IndexUnavailable("away")
    assert pipelines._swept
    with pytest.raises(ZeroDivisionError), pipelines.ingest():
        raise ZeroDivisionError
    assert not pipelines._swept


# --- Removals ----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_several_workers_do_all_removals(notes: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "AT_ONCE", 20)
    monkeypatch.setattr(removals, "AMONG", 200)
    Removal.objects.bulk_create(Removal(document_number=n) for n in range(300))
    gone: list[str] = []
    errors: list[BaseException] = []

    def take_out(entries: Sequence[tuple[str, int | None]]) -> None:
        gone.extend(document for document, _ in entries)

    def perform() -> None:
        try:
            removals.perform(Around(None, delete_many=take_out))
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=perform) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(gone) == {str(n) for n in range(300)}
    assert not Removal.objects.exists()


def test_a_removal_that_fails_stays_noted(notes: Collection) -> None:
    Removal.objects.create(document_number=1)

    def away(entries: object) -> None:
        raise IndexUnavailable("away")

    with pytest.raises(IndexUnavailable):
        removals.perform(Around(None, delete_many=away))
    assert Removal.objects.count() == 1


# --- Outages and refusals ----------------------------------------------------------------------------------


def test_an_index_that_goes_away_in_the_middle_of_a_group_costs_no_attempt(
    notes: Collection, work: Callable[..., Report], writer: IndexWriter
) -> None:
    for n in range(30):
        put(notes, f"{n}.txt", f"granite {n}")
    draw = random.Random(3)

    def write(documents: Any) -> None:
        group = list(documents)
        writer.write(group[: draw.randint(0, len(group))])
        raise IndexUnavailable("The search cluster cannot be reached.")

    for _ in range(5):
        with pytest.raises(IndexUnavailable):
            work(write=write)
        assert states() == {("queued", 0)}
    assert work().counts == {"indexed": 30}
    assert states() == {("searchable", 1)}
    assert clean()


def test_an_index_that_goes_away_before_the_proof_only_delays_it(
    notes: Collection, work: Callable[..., Report]
) -> None:
    document = put(notes, "a.txt", "granite")

    def search(*_: object) -> None:
        raise IndexUnavailable("away")

    for _ in range(4):
        with pytest.raises(IndexUnavailable):
            work(Around(reader(), search=search))
    document.refresh_from_db()
    assert (document.state, document.version, document.attempts) == ("queued", 1, 0)
    assert work().counts == {"unchanged": 1}
    assert clean()


def test_only_the_documents_that_the_index_refuses_fail(
    notes: Collection, work: Callable[..., Report], writer: IndexWriter
) -> None:
    put(notes, "old.txt", "granite")
    work()
    for name, text in [("a.txt", "basalt"), ("bad.txt", "chalk"), ("old.txt", "too bad"), ("b.txt", "flint")]:
        put(notes, name, text)

    def write(documents: Any) -> None:
        group = list(documents)
        bad = [
            d for d in group if any("bad" in p.search_text or "chalk" in p.search_text for p in d.passages)
        ]
        writer.write(d for d in group if d not in bad)
        raise PassagesRefused({d.document_id: "The index takes no chalk." for d in bad})

    report = work(write=write)
    assert report.counts == {"indexed": 2, "failed": 2}
    failed = Document.objects.filter(state="failed")
    assert set(failed.values_list("name", "attempts", "reason")) == {
        ("bad.txt", 1, "The index takes no chalk."),
        ("old.txt", 1, "The index takes no chalk."),
    }
    assert Document.objects.get(name="old.txt").version == 1  # what was there before can still be found
    assert clean()


# --- Proof -------------------------------------------------------------------------------------------------


def legs(real: IndexReader, **changed: Any) -> IndexReader:
    """A reader whose legs are changed; their rankings are empty."""

    def search(*asked: Any) -> tuple[Leg, ...]:
        found = real.search(*asked)
        return tuple(replace(leg, ranking=replace(leg.ranking, candidates=()), **changed) for leg in found)

    return Around(real, search=search)


@pytest.mark.parametrize(
    "changed", [{"partial": "1 of 2 shards answered"}, {"error": IndexUnavailable("away"), "ranking": None}]
)
def test_a_document_is_not_called_unsearchable_by_an_index_that_does_not_answer_in_full(
    notes: Collection, work: Callable[..., Report], changed: dict[str, Any]
) -> None:
    document = put(notes, "a.txt", "granite")
    real = reader()

    def search(*asked: Any) -> tuple[Leg, ...]:
        found = real.search(*asked)
        return tuple(
            replace(leg, **({"ranking": replace(leg.ranking, candidates=())} | changed)) for leg in found
        )

    for _ in range(4):
        with pytest.raises(IndexUnavailable):
            work(Around(real, search=search))
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("queued", 0)
    assert work().counts == {"unchanged": 1}


def test_what_a_part_of_the_index_finds_is_found(notes: Collection, work: Callable[..., Report]) -> None:
    put(notes, "a.txt", "granite")
    real = reader()

    def search(*asked: Any) -> tuple[Leg, ...]:
        return tuple(replace(leg, partial="1 of 2 shards answered") for leg in real.search(*asked))

    assert work(Around(real, search=search)).counts == {"indexed": 1}


def test_an_index_that_answered_in_full_and_found_nothing_is_believed(
    notes: Collection, work: Callable[..., Report]
) -> None:
    document = put(notes, "a.txt", "granite")
    assert work(legs(reader())).counts == {"again": 2, "failed": 1}
    document.refresh_from_db()
    assert document.reason == proof.NOT_BY["knn"]
