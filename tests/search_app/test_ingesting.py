from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from search_app import claims, indexes, ingest_stages, ingesting, pipelines, selectors, uploads
from search_app.bringing import Brought
from search_app.consistency import differences
from search_app.models import Document, DocumentVersion, PassageRow, Removal

Run = Callable[..., Brought]


def document(name: str) -> Document:
    return Document.objects.get(name=name)


def held() -> dict[tuple[str, int], int]:
    return indexes.reader(pipelines.encoder()).documents()


def found(question: str) -> list[str]:
    from search_app.access import OPERATOR
    from search_app.asking import ask

    trace = ask(question, viewer=OPERATOR).finish()
    return [c.passage.text for c in trace.final]


def test_files_become_searchable_documents(ingest: Run, folder: Path) -> None:
    report = ingest(folder)
    assert report.counts == {"indexed": 3}
    assert set(report.by_format) == {"md", "txt", "csv"}
    assert {d.state for d in Document.objects.all()} == {"searchable"}
    ferry = document("notes/ferry.md")
    assert (ferry.version, ferry.format, len(ferry.content_hash)) == (1, "md", 64)
    assert "north pier" in found("When does the ferry leave from the north pier?")[0]
    assert differences(held) == []


def test_a_second_run_does_nothing(ingest: Run, folder: Path) -> None:
    ingest(folder)
    before = list(DocumentVersion.objects.values_list("pk", flat=True))
    report = ingest(folder)
    assert (dict(report.counts), report.work.passages) == ({"unchanged": 3}, 0)
    assert report.work.encoded_passages == 0
    assert list(DocumentVersion.objects.values_list("pk", flat=True)) == before


def test_another_recipe_makes_everything_anew(
    ingest: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(folder)
    before = set(DocumentVersion.objects.values_list("pk", flat=True))
    monkeypatch.setattr(ingest_stages, "PARSING", ingest_stages.PARSING + 1)
    assert ingest(folder).counts == {"indexed": 3}
    assert not before & set(DocumentVersion.objects.values_list("pk", flat=True))
    assert differences(held) == []


def test_changed_content_replaces_the_version_before(ingest: Run, folder: Path) -> None:
    ingest(folder)
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at noon from the south quay.\n")
    assert ingest(folder).counts == {"indexed": 1, "unchanged": 2}
    ferry = document("notes/ferry.md")
    assert ferry.version > 1
    assert DocumentVersion.objects.filter(document=ferry).count() == 1
    assert not any("nine" in text for text in found("ferry pier quay nine noon"))
    assert [entry for entry in held() if entry[0] == str(ferry.pk)] == [(str(ferry.pk), ferry.version)]
    assert not Removal.objects.exists()


def test_the_same_bytes_under_two_names_are_two_documents_encoded_once(ingest: Run, folder: Path) -> None:
    (folder / "again").mkdir()
    (folder / "again" / "ferry.md").write_bytes((folder / "ferry.md").read_bytes())
    report = ingest(folder)
    assert report.counts == {"indexed": 4}
    first, second = document("notes/ferry.md"), document("notes/again/ferry.md")
    assert first.content_hash == second.content_hash
    assert {(str(first.pk), 1), (str(second.pk), 1)} <= held().keys()
    assert report.work.encoded_passages == report.work.passages - 1


def test_the_same_name_in_two_collections_is_two_documents(ingest: Run, folder: Path) -> None:
    ingest(folder, collection="one")
    assert ingest(folder, collection="two").counts == {"indexed": 3}
    assert Document.objects.count() == 6


def test_a_file_that_cannot_be_read_is_failed_with_its_reason(ingest: Run, folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    (folder / "blank.txt").write_text(" \n\n ")
    report = ingest(folder)
    assert report.counts == {"indexed": 3, "failed": 2}
    broken = document("notes/broken.pdf")
    assert (broken.state, broken.version) == ("failed", 0)
    assert broken.reason.endswith(".")
    assert document("notes/blank.txt").state == "failed"
    assert differences(held) == []


def test_a_good_version_outlives_a_bad_one(ingest: Run, folder: Path) -> None:
    ingest(folder)

    def parse(data: bytes, name: str) -> ParsedDocument:
        raise ParseError("It is written in ink.")

    (folder / "ferry.md").write_text("changed")
    assert ingest(folder, parse=parse).counts == {"failed": 1, "unchanged": 2}
    ferry = document("notes/ferry.md")
    assert (ferry.state, ferry.reason, ferry.version) == ("failed", "It is written in ink.", 1)
    assert "north pier" in found("ferry north pier")[0]
    assert ingest(folder).counts == {"indexed": 1, "unchanged": 2}
    assert document("notes/ferry.md").reason == ""


@pytest.mark.parametrize("changed", [False, True])
def test_death_between_index_and_database_is_mended_by_the_next_run(
    ingest: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    if changed:
        ingest(folder)
        for path in folder.rglob("*.*"):
            path.write_text(path.read_text() + "\nmore, and more\n")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ingesting, "store_versions", die)
        with pytest.raises(KeyboardInterrupt):
            ingest(folder)
    assert len(held()) == (6 if changed else 3)
    assert Removal.objects.count() == 3
    assert ingest(folder).counts == {"indexed": 3}
    assert differences(held) == []
    assert len(held()) == 3


def test_what_nobody_noted_is_swept_by_the_next_run(ingest: Run, folder: Path) -> None:
    ingest(folder)
    removals = Removal.objects.all()
    Document.objects.get(name="notes/ferry.md").delete()
    removals.delete()
    assert "does not call current" in differences(held)[0]
    pipelines.forget()
    assert ingest(folder).work.swept == 1
    assert differences(held) == []


def test_what_the_index_lost_is_indexed_again(ingest: Run, folder: Path) -> None:
    ingest(folder)
    lost = document("notes/ferry.md")
    writer = indexes.writer(pipelines.encoder())
    writer.delete(str(lost.pk))
    writer.close()
    assert "lacks 1 document" in differences(held)[0]
    assert ingest(folder).counts == {"indexed": 1, "unchanged": 2}
    assert differences(held) == []


def test_stored_passages_are_those_of_the_index(ingest: Run, folder: Path) -> None:
    (folder / "long.md").write_text(
        "# Long\n\n" + "\n\n".join(f"## Part {n}\n\nWord {n}. " * 9 for n in range(9))
    )
    ingest(folder)
    reader = indexes.reader(pipelines.encoder())
    from rag.types import Lexical

    (leg,) = reader.search([Lexical("part word")], 100, ["notes"])
    indexed = {p.id: p for p in leg.ranking.passages}
    assert len(indexed) > 3
    for row, version in selectors.current_versions():
        for passage in selectors.passages(row, version):
            if passage.id in indexed:
                assert indexed[passage.id] == passage
    assert PassageRow.objects.filter(version__document__name="notes/long.md").count() == len(indexed)


def test_a_document_that_is_replaced_in_the_worker_s_hands_ends_with_the_newer_content(
    ingest: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(ingesting.CLAIMED_AHEAD + 8):
        (folder / f"{number:02}.txt").write_text(f"Paper {number} is about granite.")
    claim, replaced = claims.claim, []

    def claim_after_a_replacement(*arguments: int, **options: object) -> list[claims.Claim]:
        at_work = Document.objects.filter(state="working").order_by("-pk").first()
        if at_work and not replaced:
            replaced.append(at_work.name)
            uploads.put(at_work.collection, uploads.arrive(at_work.name, [b"It is about oysters now."]))
        return claim(*arguments, **options)

    monkeypatch.setattr(claims, "claim", claim_after_a_replacement)
    report = ingest(folder)
    assert len(replaced) == 1
    assert report.work.counts == {"indexed": ingesting.CLAIMED_AHEAD + 8, "refused": 1}
    assert {d.state for d in Document.objects.all()} == {"searchable"}
    assert found("oysters")[0] == "It is about oysters now."
    assert differences(held) == []
