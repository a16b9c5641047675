"""One cross-encoder run in every way there is here, on the same pairs in one run. `make bench-rerank`.

Pairs of 64, 128, 256 and 512 tokens from the handbook's vocabulary; rounds are interleaved, so that a slow
moment of the machine hits every way. With `--scifact DIR`, nDCG@10 of the fused candidates in the order of
each way's scores. `ratio_vs_sentence_transformers` is ours against its fp32 at 128 tokens.
"""

import argparse
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
from _common import table, words, write
from _judged import data, opened
from _scorers import INT8, OURS, SENTENCE_TRANSFORMERS, Score, scorers

LENGTHS = (64, 128, 256, 512)
QUESTION = "what happens when the reranker runs out of time"
WEIGHTS = (11 + 1 / 6) * 12 * 384**2
"""Multiplications of a token by weights: twelve layers, of the last one only the keys and values."""

SETTLE_S = 2.0
"""vLLM, the last of the ways, goes on turning for a second after an answer, on a core that is another's."""


def pairs_of(folder: Path, tokens: int, count: int) -> list[str]:
    """Texts that make pairs of so many tokens with the question."""
    from rag.onnx import tokenizer

    whole = tokenizer(folder / "tokenizer.json", max_tokens=None)
    texts = []
    for seed in range(count):
        text = words(seed, tokens)
        pair = whole.encode(QUESTION, text)
        second = [offset for offset, part in zip(pair.offsets, pair.sequence_ids, strict=True) if part == 1]
        texts.append(text[: second[tokens - (len(pair.ids) - len(second)) - 1][1]])
    return texts


def speeds(ways: dict[str, Score], folder: Path, count: int, rounds: int) -> list[dict[str, object]]:
    found: dict[tuple[str, int], list[float]] = {}
    texts = {length: pairs_of(folder, length, max(4, count * 128 // length)) for length in LENGTHS}
    for score in ways.values():  # warm up
        score(QUESTION, texts[64][:4])
    for _ in range(rounds):
        for length in LENGTHS:
            time.sleep(SETTLE_S)
            for name, score in ways.items():
                began = time.perf_counter()
                score(QUESTION, texts[length])
                rate = len(texts[length]) / (time.perf_counter() - began)
                found.setdefault((name, length), []).append(rate)
    return [
        {
            "way": name,
            "tokens": length,
            "pairs_per_s": statistics.median(rates),
            "best": max(rates),
            "tokens_per_s": statistics.median(rates) * length,
        }
        for (name, length), rates in found.items()
    ]


def int8_limit(seconds: float = 2.0) -> float:
    """Multiplications a second of a large int8 product that cannot overflow, one on each core."""
    from rag.onnx import OnnxModel
    from rag.onnx_file import MICROSOFT, Graph
    from rag.parallel import cores, in_parallel

    graph, draw = Graph(), np.random.default_rng(1)
    size, rows = 1024, 2048
    held = [
        graph.constant("states", draw.standard_normal((rows, size)).astype(np.float32)),
        graph.constant("weight", draw.integers(-60, 60, (size, size)).astype(np.int8)),
        graph.constant("scale", np.ones(1, np.float32)),
        graph.constant("shape", np.array([-1, 1], np.int64)),
    ]
    states = graph.node("Gather", [held[0], "ids"])
    product = graph.node("DynamicQuantizeMatMul", [states, held[1], held[2]], domain=MICROSOFT)
    file = graph.encode(("ids",), graph.node("Reshape", [product, held[3]]), "out")
    model = OnnxModel.load(file, output="out", threads=cores(), overflows=False)
    ids = {"ids": np.arange(rows, dtype=np.int64)[None]}
    best = 0.0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        in_parallel(lambda _: model.session.run(["out"], ids), cores(), cores())
        best = max(best, cores() * rows * size * size / (time.perf_counter() - began))
    return best


def quality(ways: dict[str, Score], folder: Path, limit: int, depth: int) -> dict[str, float]:
    """nDCG@10 of the first `depth` fused candidates in the order of a way's scores, the rest after them."""
    from rag.evaluate import COLLECTION, runs
    from rag.measures import ndcg
    from rag.types import Query

    judged, documents, pipeline = opened(folder, data() / "bench")
    import dataclasses

    import msgspec

    spec = msgspec.structs.replace(pipeline.spec, rerank=None, late=None)
    pipeline = dataclasses.replace(pipeline, spec=spec, reranker=None, late=None)
    found: dict[str, list[float]] = {name: [] for name in ("fused, not reranked", *ways)}
    for qid, text in judged.sample(limit):
        trace = pipeline.answer(Query(id=qid, text=text, collections=(COLLECTION,)))
        order = runs(trace, documents)["fused"]
        first = [candidate.passage for candidate in trace.final]
        qrels = judged.qrels[qid]
        found["fused, not reranked"].append(ndcg(order, qrels))
        texts = [passage.search_text for passage in first[:depth]]
        for name, score in ways.items():
            scores = score(text, texts)
            ranked = [first[i] for i in sorted(range(len(texts)), key=lambda i: -scores[i])] + first[depth:]
            run = list(dict.fromkeys(documents[passage.document_id] for passage in ranked))
            found[name].append(ndcg(run, qrels))
    return {name: statistics.fmean(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Ways of running one cross-encoder, side by side.")
    parser.add_argument(
        "--pairs", type=int, default=32, help="pairs of 128 tokens a round; fewer longer ones"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scifact", type=Path, metavar="DIR", help="a judged collection, BEIR layout")
    parser.add_argument("--limit", type=int, default=100, help="its questions")
    parser.add_argument("--depth", type=int, default=20, help="candidates reranked of each")
    parser.add_argument("--vllm", metavar="URL/MODEL", help="where make vllm serves the torch copy")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="ways whose name holds a word")
    chosen = parser.parse_args()
    models = Path(os.environ.get("SIEVE_MODEL_DIR") or data() / "models")
    ways = dict(scorers(models, chosen.vllm, chosen.only))
    rows = speeds(ways, models / INT8, chosen.pairs, chosen.rounds)
    limit = int8_limit()
    rate = {(row["way"], row["tokens"]): float(str(row["pairs_per_s"])) for row in rows}
    for row in rows:
        if row["way"] == OURS:
            row["of_int8_limit"] = (
                f"{float(str(row['pairs_per_s'])) * WEIGHTS * int(str(row['tokens'])) / limit:.0%}"
            )
    table("Pairs a second, median and best of the rounds", rows)
    print(f"\nint8 limit: one large product makes {limit / 1e9:.0f} billion multiplications a second")
    ratio = rate.get((OURS, 128), math.nan) / rate.get((SENTENCE_TRANSFORMERS, 128), math.nan)
    print(f"ours against sentence-transformers fp32 at 128 tokens: {ratio:.2f}")
    ndcg = quality(ways, chosen.scifact, chosen.limit, chosen.depth) if chosen.scifact else {}
    if ndcg:
        table("nDCG@10", [{"way": name, "nDCG@10": f"{value:.4f}"} for name, value in ndcg.items()])
    write(
        "rerank",
        {
            "rows": rows,
            "ratio_vs_sentence_transformers": None if math.isnan(ratio) else ratio,
            "int8_limit_per_s": limit,
            "ndcg_at_10": ndcg,
            "questions": chosen.limit,
            "depth": chosen.depth,
        },
    )


if __name__ == "__main__":
    main()
