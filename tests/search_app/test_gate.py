"""The quality gate: what counts as a judgement, and what its numbers decide."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from rag.errors import SieveError
from search_app import asking, feedback, gate, indexes, promotion
from search_app.access import Viewer
from search_app.bringing import Brought
from search_app.models import Document, Feedback
from tests.opensearch import fresh, running
from tests.search_app.test_reindexing import VERSION, build, use

Run = Callable[..., Brought]


@pytest.fixture
def at(ingest: Run, settings: object) -> Iterator[Run]:
    for address in fresh(running(VERSION)):
        use(settings, address)
        yield ingest
        indexes.forget()


@pytest.mark.opensearch(VERSION)
def test_the_gate_measures_both_by_what_people_liked(at: Run, folder: Path) -> None:
    at(folder)
    row = build()
    gate.judge(row)
    assert (row.judged, row.ndcg_after) == (0, None)
    assert "Nobody has marked" in gate.sentence(row)
    judged = [gate.Judged("ferry north pier", ("notes",), {str(document("ferry.md").pk): 1})]
    gate.judge(row, judged)
    assert (row.judged, row.ndcg_before, row.ndcg_after) == (1, 1.0, 1.0)
    assert "20 are needed" in gate.sentence(row)
    row.judged, row.ndcg_after = 20, 0.9
    row.save()
    with pytest.raises(promotion.Worse, match=r"finds less.*--anyway"):
        promotion.promote()
    promotion.promote(anyway=True)


def document(name: str) -> Document:
    return Document.objects.get(name__endswith=name)


def test_judgements_are_the_documents_that_liked_answers_cite(ingest: Run, folder: Path) -> None:
    ingest(folder)
    recording = asking.ask("When does the ferry leave?", viewer=Viewer(asker="me"))
    recording.finish()
    cited = recording.record.body["passages"][0]
    body = recording.record.body | {
        "answer": {"citations": [{"passage_id": cited["id"]}], "text": "", "finish_reason": "answered"}
    }
    type(recording.record).objects.filter(pk=recording.record.pk).update(body=body)
    recording.record.refresh_from_db()
    feedback.give(Viewer(asker="me"), recording.record, liked=True)
    feedback.give(Viewer(asker="you"), recording.record, liked=False)
    assert gate.stored() == [gate.Judged("When does the ferry leave?", ("notes",), {cited["document_id"]: 1})]
    Document.objects.all().delete()
    assert gate.stored() == []
    assert Feedback.objects.count() == 2


def test_judgements_of_one_s_own_name_documents(ingest: Run, folder: Path, tmp_path: Path) -> None:
    ingest(folder)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_bytes(msgspec.json.encode({"_id": "q1", "text": "pier?"}))
    with pytest.raises(SieveError, match=r"no test\.tsv"):
        gate.of_folder(tmp_path)
    name = document("ferry.md").name
    (tmp_path / "qrels/test.tsv").write_text(f"q\td\ts\nq1\tnotes/{name}\t2\nq1\t{uuid.uuid4()}\t1\n")
    assert gate.of_folder(tmp_path) == [gate.Judged("pier?", ("notes",), {str(document("ferry.md").pk): 2})]
    (tmp_path / "qrels/test.tsv").write_text("q\td\ts\nq1\tnothing\t1\n")
    with pytest.raises(SieveError, match="judges none"):
        gate.of_folder(tmp_path)
