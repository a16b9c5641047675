"""Commands: what they print, and that their exit codes are honest."""

import json
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from search_app import bringing, indexes, pipelines
from search_app.models import Document, DocumentVersion, TraceRecord


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output, with the sentence of an error at its end."""
    out = StringIO()
    try:
        call_command(*arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_ingest_prints_counts_and_leaves_a_clean_index(light: None, folder: Path) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    code, out = run("ingest", str(folder), "--collection", "notes")
    assert code == 0
    assert out.splitlines()[0].split() == ["format", "indexed", "unchanged", "failed", "files"]
    assert ["all", "3", "0", "1", "4"] in [line.split() for line in out.splitlines()]
    assert "documents/s" in out
    assert "Peak memory" in out
    assert run("verify")[0] == 0
    code, out = run("ingest", str(folder), "--collection", "notes")
    assert (code, out.split()[-1]) == (0, "process.")
    assert Document.objects.filter(state="searchable").count() == 3


def test_ingest_that_brings_nothing_is_an_error(light: None, tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    assert run("ingest", str(tmp_path / "absent"), "--collection", "a")[0] == 1
    code, out = run("ingest", str(tmp_path / "only"), "--collection", "a")
    assert (code, "There are no files" in out) == (1, True)
    (tmp_path / "only" / "image.png").write_bytes(b"\x89PNG")
    code, out = run("ingest", str(tmp_path / "only"), "--collection", "a")
    assert (code, "Not one of the files" in out, ".png files are not read" in out) == (1, True, True)


def test_a_collection_has_a_name_that_can_stand_in_an_address_and_one_language(
    light: None, folder: Path
) -> None:
    assert run("ingest", str(folder), "--collection", "no spaces")[0] == 1
    code, out = run("ingest", str(folder), "--collection", "notes", "--language", "klingon")
    assert (code, "There is no language 'klingon'" in out) == (1, True)
    assert run("ingest", str(folder), "--collection", "notes", "--language", "de")[0] == 0
    code, out = run("ingest", str(folder), "--collection", "notes", "--language", "en")
    assert (code, "is in de" in out) == (1, True)


def test_a_dry_run_changes_nothing(light: None, folder: Path) -> None:
    code, out = run("ingest", str(folder), "--collection", "notes", "--dry-run")
    assert (code, out.split()) == (0, ["notes/ferry.md", "notes/prices.csv", "notes/sub/lighthouse.txt"])
    assert Document.objects.count() == 0


def test_an_ingest_waits_while_another_process_is_at_it(
    light: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = indexes.writer(pipelines.encoder())
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: writer.close())
    monkeypatch.setattr(bringing, "time", clock)  # the other one ends while this one waits
    code, out = run("ingest", str(folder), "--collection", "notes")
    assert (code, "the rest by another process" in out) == (0, True)
    assert {d.state for d in Document.objects.all()} == {"searchable"}


def test_ask_prints_passages_and_keeps_the_trace(ingest: Callable, folder: Path) -> None:
    ingest(folder)
    code, out = run("ask", "When does the ferry leave?", "--collection", "notes")
    assert code == 0
    assert "[1] Ferry" in out
    assert str(TraceRecord.objects.get().pk) in out
    code, out = run("ask", "ferry", "--json")
    assert (code, json.loads(out)["body"]["query"]["collections"]) == (0, ["notes"])


def test_what_cannot_be_asked_is_an_error_that_says_what_to_do(ingest: Callable, folder: Path) -> None:
    code, out = run("ask", "ferry")
    assert (code, "manage.py ingest" in out) == (1, True)
    ingest(folder)
    assert run("ask", "ferry", "--collection", "other")[0] == 1
    code, out = run("ask", "ferry", "--pipeline", "../../etc/passwd")
    assert (code, "There are: light." in out) == (1, True)


def test_replay_gives_the_same_or_says_what_differs(ingest: Callable, folder: Path) -> None:
    ingest(folder)
    run("ask", "When does the ferry leave?")
    trace_id = str(TraceRecord.objects.get().pk)
    assert run("replay", trace_id)[0] == 0
    assert run("replay", trace_id, "--from", "fused")[0] == 0
    (folder / "new.md").write_text("When does the ferry leave? The ferry does leave.\n")
    ingest(folder)
    code, out = run("replay", trace_id)
    assert (code, "not ranked" in out) == (1, True)
    assert run("replay", trace_id, "--from", "fused")[0] == 0
    assert run("replay", "no-id")[0] == 1


def test_verify_names_what_is_wrong_and_rebuild_mends_it(ingest: Callable, folder: Path) -> None:
    ingest(folder)
    before = run("ask", "ferry lighthouse", "--json")[1]
    writer = indexes.writer(pipelines.encoder())
    writer.delete(str(Document.objects.get(name="notes/ferry.md").pk))
    writer.close()
    code, out = run("verify")
    assert (code, "lacks 1 document" in out) == (1, True)
    code, out = run("reindex")
    assert (code, "passages-0002 is in use: 3 documents" in out) == (0, True)
    assert run("verify")[0] == 0
    after = run("ask", "ferry lighthouse", "--json")[1]
    rankings = [json.loads(answer)["body"]["rankings"] for answer in (before, after)]
    assert rankings[0] == rankings[1]
    assert DocumentVersion.objects.count() == 3


def test_verify_before_anything_is_clean(light: None) -> None:
    indexes.reader(pipelines.encoder())
    assert run("verify")[0] == 0


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    folder = tmp_path / "judged"
    (folder / "qrels").mkdir(parents=True)
    documents = {"d1": "the ferry leaves at nine", "d2": "granite lighthouse", "d3": "price of a ticket"}
    rows = [json.dumps({"_id": d, "title": "", "text": text}) for d, text in documents.items()]
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "when does the ferry leave"}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\n")
    return folder


def test_evaluate_measures_every_stage(light: None, judged: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "numbers.json"
    code, out = run("evaluate", str(judged), "--json", str(file))
    assert code == 0
    stages = json.loads(file.read_text())["stages"]
    assert set(stages) == {"bm25", "knn", "rrf", "fused", "final"}
    assert stages["final"]["nDCG@10"] == stages["bm25"]["R@100"] == 1.0
    assert "nDCG@10" in out
    assert run("evaluate", str(tmp_path))[0] == 1


def test_evaluate_sweeps_the_depth_and_draws_it(
    light: None, judged: Path, tmp_path: Path, settings: SimpleNamespace
) -> None:
    plot, kept = tmp_path / "out" / "depth.svg", tmp_path / "kept"
    sweep = ["--sweep-depth", "1,2", "--plot", str(plot), "--json", str(tmp_path / "n.json")]
    code, out = run("evaluate", str(judged), *sweep)
    assert (code, "has no reranker here" in out, plot.exists()) == (1, True, False)
    file = settings.SPEC_DIR / "light.toml"
    file.write_text(
        file.read_text() + '\n[rerank]\nbackend = "identity"\nmodel = ""\ndepth = 3\n'
        "budget_ms = 100\nrequired = false\n"
    )
    pipelines.forget()
    for _ in range(2):
        code, out = run("evaluate", str(judged), *sweep, "--index", str(kept))
        assert code == 0, out
        assert "The knee: do without reranking." in out
    assert (kept / "judged.json").is_file()
    assert "knee at depth 0" in plot.read_text()
    (swept,) = json.loads((tmp_path / "n.json").read_text())["pipelines"]
    assert [point["depth"] for point in swept["points"]] == [0, 1, 2]
    assert run("evaluate", str(judged), "--plot", str(plot))[0] == 1
    assert run("evaluate", str(judged), *sweep, "--cached")[0] == 1


def test_the_first_admin_is_made_once(db: None) -> None:
    code, out = run("first_admin")
    assert (code, "user admin, password " in out) == (0, True)
    assert run("first_admin") == (0, "")


def test_models_that_do_not_exist_are_an_error(db: None) -> None:
    code, out = run("models", "list", "no-such-model")
    assert (code, "There is no model" in out) == (1, True)
    code, out = run("models", "list")
    assert (code, "bge-small-en-v1.5-int8" in out) == (0, True)
