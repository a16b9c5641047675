"""Re-indexing on a cluster: what a kill, a replacement, another encoder and a worse version do to it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from rag.errors import SieveError
from rag.index.opensearch import Address
from rag.index.opensearch.building import VersionReader, named
from rag.index.opensearch.versions import versions, with_role
from rag.spec import EncoderSpec
from search_app import (
    asking,
    consistency,
    indexes,
    pipelines,
    promotion,
    reindex_rounds,
    reindexing,
    uploads,
)
from search_app.access import OPERATOR
from search_app.bringing import Brought
from search_app.models import Document, PipelineVersion, Reindex
from tests.opensearch import fresh, running

Run = Callable[..., Brought]
VERSION = "3.6.0"
OTHER = EncoderSpec(backend="hashing", model="hashing-64")
on_cluster = pytest.mark.opensearch(VERSION)


@pytest.fixture
def at(ingest: Run, settings: object) -> Iterator[Run]:
    """The application on a cluster; gives what brings documents in."""
    for address in fresh(running(VERSION)):
        use(settings, address)
        yield ingest
        indexes.forget()


def use(settings: object, address: Address) -> None:
    settings.OPENSEARCH_URLS = list(address.urls)
    settings.OPENSEARCH_USER, settings.OPENSEARCH_PASSWORD = address.user, address.password
    settings.OPENSEARCH_CA, settings.OPENSEARCH_PREFIX = address.ca, address.prefix
    settings.OPENSEARCH_TIMEOUT = 10.0
    pipelines.forget()


def roles() -> dict[str, set[str]]:
    return {v.name[-4:]: set(v.roles) for v in versions(reindexing.cluster())}


def found(question: str) -> list[str]:
    return [c.passage.text for c in asking.ask(question, viewer=OPERATOR).finish().final]


def build() -> Reindex:
    row = reindexing.wanted()
    reindexing.build(row)
    return row


@on_cluster
def test_a_version_is_built_promoted_and_rolled_back(at: Run, folder: Path) -> None:
    at(folder)
    row = build()
    assert (row.state, row.done, row.total, row.reason) == ("ready", 3, 3, "")
    assert roles() == {"0001": {"read", "write"}, "0002": {"write"}}
    promotion.promote()
    assert roles() == {"0001": {"previous", "write"}, "0002": {"read", "write"}}
    at(write(folder, "later.txt", "The oysters are sold on Saturday."))
    promotion.rollback()
    assert "oysters" in found("When are the oysters sold?")[0]
    assert promotion.promote().endswith("0002")
    assert "oysters" in found("When are the oysters sold?")[0]
    assert Reindex.objects.get().state == "promoted"
    build()
    promotion.promote()
    assert roles() == {"0002": {"previous", "write"}, "0003": {"read", "write"}}


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


@on_cluster
def test_what_died_on_the_way_goes_on_and_writes_only_what_is_missing(
    at: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(folder)
    monkeypatch.setattr(reindex_rounds, "BATCH", 1)
    row = reindexing.wanted()

    def die(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindexing.build(row, die)
    begun = row.index
    again = reindexing.wanted()
    steps: list[int] = []
    reindexing.build(again, lambda done, total: steps.append(done))
    assert (again.pk, again.index, again.state) == (row.pk, begun, "ready")
    assert steps[0] == 2
    assert len(roles()) == 2


@on_cluster
def test_a_version_that_was_made_and_not_noted_is_taken_up(at: Run, folder: Path) -> None:
    at(folder)
    row = build()
    Reindex.objects.all().delete()
    assert build().index == row.index


@on_cluster
def test_a_document_longer_than_a_batch_is_whole(
    at: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"On day {n} the harbour log says nothing of note, but the words {n * 7}." for n in range(60)]
    at(write(folder, "log.txt", "\n\n".join(lines)))
    monkeypatch.setattr(reindex_rounds, "BATCH", 3)
    row = build()
    assert (row.state, row.reason) == ("ready", "")
    version = named(reindexing.cluster(), row.index)
    assert max(VersionReader(reindexing.cluster(), version).documents().values()) > 6
    assert not reindexing.verify(version)


@on_cluster
def test_two_do_not_build_at_once_and_a_dead_one_s_lease_runs_out(
    at: Run, folder: Path, settings: object
) -> None:
    at(folder)
    settings.INGEST_LEASE_SECONDS = 2.0
    row = reindexing.wanted()
    reindexing.take(row)
    with pytest.raises(reindexing.ReindexBusy, match="Another process builds"):
        reindexing.build(row)
    assert reindexing.build(row, wait=True)
    assert row.state == "ready"


@on_cluster
def test_what_is_replaced_or_deleted_between_reading_and_writing_leaves_nothing(
    at: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(folder)
    encode = reindex_rounds.RememberingEncoder.encode

    def meanwhile(self: object, documents: object) -> object:
        gone = Document.objects.filter(name__endswith="prices.csv")
        if gone.exists():
            uploads.delete(gone)
            (folder / "prices.csv").unlink()
            at(write(folder, "ferry.md", "# Ferry\n\nThe ferry leaves at ten."))
        return encode(self, documents)

    monkeypatch.setattr(reindex_rounds.RememberingEncoder, "encode", meanwhile)
    row = build()
    monkeypatch.undo()
    version = named(reindexing.cluster(), row.index)
    held = VersionReader(reindexing.cluster(), version).documents()
    assert row.state == "ready"
    assert not consistency.compare(held)
    assert len(held) == 2


@on_cluster
def test_what_a_worker_is_about_to_commit_is_left_alone(at: Run, folder: Path) -> None:
    at(folder)
    row = build()
    held = {("7", 3): 1} | VersionReader(
        reindexing.cluster(), named(reindexing.cluster(), row.index)
    ).documents()
    assert consistency.compare(held).left == {("7", 3)}
    first = Document.objects.first()
    Document.objects.filter(pk=first.pk).update(state="working", fence=9)
    held[str(first.pk), 9] = 1
    assert consistency.compare(held).left == {("7", 3)}


@on_cluster
def test_another_encoder_is_followed_by_every_pipeline_and_back(at: Run, folder: Path) -> None:
    at(folder)
    row = reindexing.wanted(OTHER)
    reindexing.build(row)
    with pytest.raises(SieveError, match="not at its end"):
        reindexing.wanted(EncoderSpec(backend="hashing", model="hashing-32"))
    old = pipelines.get()
    promotion.promote()
    assert pipelines.default().encoder == OTHER
    assert "north pier" in found("When does the ferry leave from the north pier?")[0]
    assert set(Document.objects.values_list("recipe", flat=True)) == {pipelines.recipe()}
    still = asking.access.permit_for(OPERATOR)  # who asks with the encoder of before finds something, too
    query = asking.Query(id="1", text="north pier", collections=("notes",))
    assert old.answer(query, still).final
    at(write(folder, "later.txt", "The oysters are sold on Saturday."))
    promotion.rollback()
    assert pipelines.default().encoder.model == "hashing"
    assert not PipelineVersion.objects.filter(active=True).exists()  # the file counts again
    assert "oysters" in found("When are the oysters sold?")[0]
    assert not consistency.differences(indexes.reader(pipelines.encoder()).documents)


@on_cluster
def test_a_promotion_that_died_after_the_switch_comes_to_its_end(
    at: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(folder)
    reindexing.build(reindexing.wanted(OTHER))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(promotion, "follow", die)
        with pytest.raises(KeyboardInterrupt):
            promotion.promote()
    assert pipelines.default().encoder.model == "hashing"
    assert "north pier" in found("When does the ferry leave from the north pier?")[0]
    promotion.promote()
    assert pipelines.default().encoder == OTHER
    assert roles() == {"0001": {"previous", "write"}, "0002": {"read", "write"}}
    assert Reindex.objects.get().state == "promoted"


@on_cluster
def test_what_is_given_up_while_it_is_built_does_not_come_back(
    at: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(folder)
    monkeypatch.setattr(reindex_rounds, "BATCH", 1)

    def give_up(done: int, total: int) -> None:
        if done == 1:
            promotion.cancel()

    with pytest.raises(SieveError):
        reindexing.build(reindexing.wanted(), give_up)
    assert roles() == {"0001": {"read", "write"}}
    assert Reindex.objects.get().state == "dropped"
    assert build().index.endswith("0002")


@on_cluster
def test_giving_up_and_dropping_leave_the_one_in_use(at: Run, folder: Path, settings: object) -> None:
    at(folder)
    build()
    assert promotion.cancel().endswith("0002")
    assert roles() == {"0001": {"read", "write"}}
    with pytest.raises(SieveError, match="no re-index"):
        promotion.cancel()
    with pytest.raises(SieveError, match="nothing to go back to"):
        promotion.rollback()
    with pytest.raises(SieveError, match="no version to promote"):
        promotion.promote()
    build()
    promotion.promote()
    Document.objects.update(recipe="parsing 1, split 64/8, encoder other")
    assert promotion.clear() == ""
    assert Document.objects.filter(recipe__endswith=pipelines.encoder().fingerprint).count() == 3
    Reindex.objects.filter(open=None).update(switched=timezone.now() - timedelta(days=8))
    assert promotion.clear().endswith("0001")
    assert list(roles().values()) == [{"read", "write"}]


@on_cluster
def test_a_version_that_lost_something_is_not_promoted(at: Run, folder: Path) -> None:
    at(folder)
    row = build()
    version = named(reindexing.cluster(), row.index)
    document = Document.objects.first()
    writer = reindexing.VersionWriter(reindexing.cluster(), version)
    call_command("verify")
    writer.delete_many([(str(document.pk), document.version)])
    with pytest.raises(SystemExit):
        call_command("verify")
    problems, _ = reindexing.verify_others(pipelines.encoder())
    assert [p.partition(" document")[0] for p in problems] == [f"{row.index}: The index lacks 1"]
    with pytest.raises(SieveError, match="is not whole: The index lacks 1 document"):
        promotion.promote()
    assert with_role(versions(reindexing.cluster()), "read").number == 1


@on_cluster
def test_the_commands_say_what_to_do_next(at: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at(folder)
    call_command("reindex")
    assert "Next: manage.py promote" in capsys.readouterr().out
    call_command("promote")
    assert "To go back: manage.py rollback" in capsys.readouterr().out
    call_command("rollback")
    call_command("promote", drop_previous=True)
    call_command("verify")
    assert "0 problems" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no encoder 'nonsense'"):
        call_command("reindex", encoder="nonsense")


@on_cluster
def test_the_worker_builds_what_was_begun_on_the_page(
    at: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(folder)
    monkeypatch.setattr(reindex_rounds, "BATCH", 1)
    assert not reindexing.piece(5.0)
    row = reindexing.wanted(by_worker=True)
    assert reindexing.due()
    assert reindexing.piece(5.0, stop=lambda: True)  # at its end after one batch
    assert (Reindex.objects.get().state, Reindex.objects.get().done) == ("building", 1)
    assert reindexing.piece(20.0)
    row.refresh_from_db()
    assert row.state == "ready"
    assert not reindexing.due()


# --- Without a cluster -----------------------------------------------------------------------------------


def test_on_the_embedded_index_there_is_nothing_to_promote(ingest: Run, folder: Path) -> None:
    ingest(folder)
    for command, options in (("promote", {}), ("rollback", {}), ("reindex", {"promote": True})):
        with pytest.raises(CommandError, match="keeps no version before"):
            call_command(command, **options)
    call_command("reindex")
    assert promotion.clear() == ""
    assert not Reindex.objects.exists()
