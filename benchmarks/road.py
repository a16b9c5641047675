"""The whole road in one run: ingest, search and rerank, each with what it costs. `make bench`.

Texts are invented from the handbook's vocabulary; models, index and database are the real ones, in a
data folder that is thrown away.
"""

import math
import os
import statistics
import tempfile
import time
from pathlib import Path

from _common import ROOT, percentiles, table, words, write

FILES, WORDS, QUESTIONS = 60, 1_500, 60
LENGTHS = (64, 128, 256, 512)
MODEL_STEPS = ("encode", "late", "reranked", "generate")
INDEX_STEPS = ("bm25", "knn", "passages")


def make_files(folder: Path) -> None:
    for i in range(FILES):
        paragraphs = "\n\n".join(f"## Section {j}\n\n{words(i * 100 + j, 150)}" for j in range(WORDS // 150))
        (folder / f"document-{i:03}.md").write_text(f"# Document {i}\n\n{paragraphs}\n", "utf-8")


def ingest(folder: Path) -> dict[str, float]:
    from search_app import bringing, services, sources

    brought = bringing.bring(services.collection("bench"), sources.find([folder]))
    return {
        "documents": brought.documents,
        "passages": brought.work.passages,
        "documents_per_s": brought.documents / brought.seconds,
        "passages_per_s": brought.work.passages / brought.seconds,
        "outside_encoder": brought.outside_encoder,
    }


def search() -> dict[str, dict[str, float]]:
    from search_app import asking
    from search_app.access import OPERATOR

    steps: dict[str, list[float]] = {}
    questions = [words(7_000 + i, 9) for i in range(QUESTIONS + 3)]
    for i, question in enumerate(questions, start=-3):  # the first three warm up
        began = time.perf_counter()
        trace = asking.ask(question, viewer=OPERATOR).finish()
        wall = (time.perf_counter() - began) * 1000
        taken = {t.step: t.elapsed_ms for t in trace.timings}
        began_at = {t.step: t.started_ms for t in trace.timings}
        # The index reads the passages of both legs at once, after them and before access is checked.
        taken["passages"] = began_at["permit"] - began_at["knn"] - taken["knn"]
        elsewhere = sum(taken.get(step, 0.0) for step in MODEL_STEPS + INDEX_STEPS)
        for step, ms in (taken | {"overhead": wall - elsewhere, "total": wall}).items():
            if i >= 0:
                steps.setdefault(step, []).append(ms)
    return {step: percentiles(ms) for step, ms in steps.items()}


def rerank() -> list[dict[str, float]]:
    from search_app import pipelines

    spec = pipelines.default().rerank
    assert spec is not None
    model = pipelines.backends().cross_encoder(spec)
    encoder = pipelines.encoder(pipelines.default())
    rows = []
    question = "what happens when the reranker runs out of time"
    rounds: dict[int, list[float]] = {length: [] for length in LENGTHS}
    texts = {length: [_exactly(encoder, seed, length - 12) for seed in range(16)] for length in LENGTHS}
    for _ in range(3):  # interleaved: a slow moment of the machine hits every length
        for length in LENGTHS:
            began = time.perf_counter()
            model.score_texts(question, texts[length], deadline=math.inf)  # type: ignore[attr-defined]
            rounds[length].append(16 / (time.perf_counter() - began))
    for length in LENGTHS:
        rate = statistics.median(rounds[length])
        rows.append({"tokens": length, "pairs_per_s": rate, "tokens_per_s": rate * length})
    return rows


def _exactly(encoder, seed: int, tokens: int) -> str:  # type: ignore[no-untyped-def]
    text = words(seed, tokens)
    return text[: encoder.offsets(text)[tokens - 1][1]]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sieve-bench-") as data:
        os.environ.setdefault(
            "SIEVE_MODEL_DIR", str(Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var") / "models")
        )
        kept = os.environ.get("SIEVE_DATA_DIR")
        os.environ["SIEVE_DATA_DIR"] = data
        os.environ["DJANGO_SETTINGS_MODULE"] = "search_app.settings"
        import django
        from django.core.management import call_command
        from django.db import connection

        django.setup()
        call_command("migrate", verbosity=0)
        folder = Path(data) / "bench-files"
        folder.mkdir()
        make_files(folder)
        ingested = ingest(folder)
        table("Ingest", [ingested])
        connection.close()  # an ingest has its connection wait for the disk; who asks has another one
        searched = search()
        table("Search, milliseconds", [{"step": step, **ms} for step, ms in searched.items()])
        print("  overhead: everything but models and index: access, fusion, blend, packing, database, trace")
        reranked = rerank()
        table("Cross-encoder", reranked)
        if kept is None:
            del os.environ["SIEVE_DATA_DIR"]
        else:
            os.environ["SIEVE_DATA_DIR"] = kept
    write("road", {"ingest": ingested, "search_ms": searched, "rerank": reranked})


if __name__ == "__main__":
    main()
