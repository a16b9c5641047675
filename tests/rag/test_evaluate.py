"""Evaluation over a tiny judged collection, through the real pipeline and index."""

import json
from pathlib import Path

import pytest

from rag import evaluate, spec
from rag.encode.hashing import HashingEncoder
from rag.evaluate import CollectionError, Judged
from rag.index import embedded
from rag.pipeline import Pipeline
from rag.rerank.identity import IdentityReranker
from rag.rerank.late_interaction import LateInteraction
from tests.search_app.pages.build_trace import build_cascade

DOCUMENTS = {
    "ferry.md": "# Ferry\n\n## Fares\n\nA crossing costs six crowns.\n\n## Fog\n\nNo crossing in fog.",
    "light": "The lighthouse flashes three times.",
    "market": "Fish is sold on the east quay.",
}
QUESTIONS = {"q1": "What does a crossing cost?", "q2": "Where is fish sold?", "q3": "Is there a dragon?"}
QRELS = "query-id\tcorpus-id\tscore\nq1\tferry.md\t1\nq2\tmarket\t1\nq3\tlight\t0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    def lines(rows: list[dict[str, str]]) -> str:
        return "".join(json.dumps(row) + "\n" for row in rows)

    (tmp_path / "corpus.jsonl").write_text(
        lines([{"_id": d, "title": "", "text": t} for d, t in DOCUMENTS.items()])
    )
    (tmp_path / "queries.jsonl").write_text(lines([{"_id": q, "text": t} for q, t in QUESTIONS.items()]))
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.tsv").write_text(QRELS)
    return tmp_path


def test_every_stage_is_measured(folder: Path, tmp_path: Path) -> None:
    judged = evaluate.read(folder)
    encoder = HashingEncoder()
    loaded = spec.load(Path("search_app/specs/default.toml"))
    root = tmp_path / "index"
    documents = dict(evaluate.build_index(judged, root, encoder, loaded.split, "en"))
    assert documents == {"0": "ferry.md", "1": "light", "2": "market"}
    index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
    pipeline = Pipeline(
        name="default",
        spec=spec.from_mapping(loaded.as_dict() | {"generate": None}),
        encoder=encoder,
        index=index,
        late=LateInteraction(encoder, index.token_codes),
        reranker=IdentityReranker(),
    )
    report = evaluate.measure("default", pipeline.answer, judged.sample(None), judged, documents)
    assert report.questions == 2  # nothing is relevant for the third
    assert tuple(report.stages) == tuple(
        stage for stage in evaluate.RUNS if stage not in ("coarse", "middle")
    )
    for stage, values in report.stages.items():
        assert (values["nDCG@10"], values["R@100"]) == (1.0, 1.0), stage
        assert values["ms"] > 0
    assert report.rerank == {"applied": 2}
    assert report.fingerprint == pipeline.spec.fingerprint


def test_the_stages_of_a_cascade_are_measured_too(folder: Path, tmp_path: Path) -> None:
    judged = evaluate.read(folder)
    encoder = HashingEncoder()
    data = spec.load(Path("search_app/specs/default.toml")).as_dict() | {"generate": None}
    stage = {"backend": "identity", "model": "", "depth": 9, "keep": 2, "budget_ms": 100}
    data["rerank"] |= {"depth": 1, "before": [stage, stage]}
    loaded = spec.from_mapping(data)
    root = tmp_path / "index"
    documents = dict(evaluate.build_index(judged, root, encoder, loaded.split, "en"))
    index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
    kept = IdentityReranker()
    pipeline = Pipeline(
        name="cascade",
        spec=loaded,
        encoder=encoder,
        index=index,
        late=LateInteraction(encoder, index.token_codes),
        before=(kept, kept),
        reranker=kept,
    )
    report = evaluate.measure("cascade", pipeline.answer, judged.sample(None), judged, documents)
    assert tuple(report.stages) == evaluate.RUNS
    assert report.stages["coarse"]["nDCG@10"] == report.stages["middle"]["nDCG@10"] == 1.0


def test_a_text_whose_id_names_a_markdown_file_is_read_as_one(folder: Path) -> None:
    parsed = dict(evaluate.read(folder).documents())
    assert [h.text for h in parsed["ferry.md"].headings] == ["Ferry", "Fares", "Fog"]
    assert "#" not in parsed["ferry.md"].text
    assert parsed["light"].headings == ()


def test_a_sample_is_spread_over_the_file_and_always_the_same(folder: Path) -> None:
    judged = evaluate.read(folder)
    assert judged.sample(1) == judged.sample(1) == [("q1", QUESTIONS["q1"])]
    assert len(judged.sample(99)) == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("queries.jsonl", None, "has no queries.jsonl"),
        ("corpus.jsonl", "{broken\n", "corpus.jsonl line 1 is no JSON"),
        ("corpus.jsonl", '{"_id": 7, "text": "x"}\n', "corpus.jsonl line 1: needs the strings"),
        ("qrels/test.tsv", "header\nq1\tferry.md\n", "qrels/test.tsv line 2"),
        ("queries.jsonl", '{"text": "no id"}\n', "queries.jsonl line 1"),
        ("queries.jsonl", '["a list"]\n', "queries.jsonl line 1"),
    ],
)
def test_a_wrong_folder_is_named(folder: Path, name: str, content: str | None, said: str) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(CollectionError, match=said):
        dict(evaluate.read(folder).documents())


def test_scores_from_the_cache_are_counted_since_milliseconds_leave_them_out() -> None:
    judged = Judged(Path("unread"), {"1": "why?"}, {"1": {"3": 1}})
    documents = {str(number): str(number) for number in range(1, 40)}
    report = evaluate.measure("p", lambda query: build_cascade(), [("1", "why?")] * 2, judged, documents)
    assert report.cached == 2 * sum(spent.cached for spent in build_cascade().spent.values()) > 0
