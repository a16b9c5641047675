"""Both indexes at 100,000 and a million passages in one run: `make bench-index ARGS="--data DIR ..."`.

DIR is a collection in BEIR's layout or a folder of such; from its passages and questions a corpus of any
size is invented (`benchmarks/_invented.py` says how). Each index is grown to each size and measured there:
building, disk, memory, latency, recall against exact cosines in floats. OpenSearch is measured where there
is one: at SIEVE_OPENSEARCH, or the one that `make opensearch` runs. Every part runs in a process of its
own, and its result is kept in `--keep`: a run that was stopped goes on where it was.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import percentiles, write
from _engines import Cluster, Embedded, Engine, address
from _index_table import show
from _invented import (
    BLOCK,
    COLLECTIONS,
    EVERYTHING,
    Material,
    corpora,
    documents,
    material,
    place_of,
    truth,
)

from rag.index.base import IndexReader
from rag.index.opensearch import Address, Form
from rag.types import Dense, Lexical, Subquery

MERGED = "opensearch, one segment"
K, RECALL_AT, ASKERS, TEXTS, QUESTIONS = 200, 100, 4, 8000, 120
ONE, MOST = EVERYTHING[:1], EVERYTHING[: COLLECTIONS * 9 // 10]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="collection, or folder of collections")
    parser.add_argument("--passages", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--engines", nargs="+", choices=["embedded", "opensearch"])
    parser.add_argument("--keep", type=Path, help="folder for indexes and results of the parts")
    parser.add_argument("--m", type=int, default=Form().m, help="edges of a node in OpenSearch's graph")
    parser.add_argument("--merge", action="store_true", help="measure OpenSearch in one segment, too")
    parser.add_argument("--again", action="store_true", help="measure again what is built already")
    chosen = parser.parse_args()
    if not corpora(chosen.data):
        parser.error(f"{chosen.data} is no collection in BEIR's layout, and no folder of such")
    at = address()
    engines = chosen.engines or ["embedded", *(["opensearch"] if at else [])]
    if "opensearch" in engines and at is None:
        parser.error("there is no cluster: `make opensearch` starts one, SIEVE_OPENSEARCH names another")
    keep = chosen.keep or Path(tempfile.mkdtemp(prefix="bench-index-"))
    keep.mkdir(parents=True, exist_ok=True)
    run = Run(keep, chosen.data, at, Form(m=chosen.m))
    try:
        for engine in engines:
            for count in sorted(chosen.passages):
                count = count // BLOCK * BLOCK
                run.part(f"truth of {count:,}", _truth, count)
                run.part(f"{engine}, building {count:,}", _build, engine, count)
                run.part(f"{engine}, {count:,}", _measure, engine, count, again=chosen.again)
                if chosen.merge and engine == "opensearch":
                    run.part(f"{MERGED}, building {count:,}", _merge, count)
                    run.part(f"{MERGED}, {count:,}", _measure, engine, count, again=chosen.again)
        show(run.results, [count // BLOCK * BLOCK for count in sorted(chosen.passages)])
        write("index", run.results)
    finally:
        if chosen.keep is None:
            for engine in engines:
                run.engine(engine, 384).drop()
            shutil.rmtree(keep)


class Run:
    """What every part needs, and where results are kept."""

    def __init__(self, keep: Path, data: Path, at: Address | None, form: Form) -> None:
        self.keep, self._data, self._at, self._form = keep, data, at, form
        self._file = keep / "results.json"
        self.results: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def material(self) -> Material:
        return material(self._data, self.keep, TEXTS, QUESTIONS)

    def engine(self, name: str, dimension: int) -> Engine:
        if name == "embedded":
            return Embedded(self.keep, dimension)
        assert self._at is not None
        return Cluster(self._at, dimension, self._form)

    def part(self, name: str, work: Callable[..., dict[str, Any]], *of: Any, again: bool = False) -> None:
        """Have it done in a new process, unless its result is there."""
        if name in self.results and not again:
            print(f"{name}: done before", flush=True)
            return
        print(f"{time.strftime('%H:%M:%S')}  {name}", flush=True)
        began, load = time.perf_counter(), os.getloadavg()[0]
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            result = pool.submit(work, self, *of).result()
        spent = round(time.perf_counter() - began, 1)
        self.results[name] = result | {"part_s": spent, "load before": round(load, 1)}
        self._file.write_text(json.dumps(self.results, indent=1))


def _truth(run: Run, count: int) -> dict[str, Any]:
    of = run.material()
    for name, collection in (("all", None), ("one", 0)):
        np.save(run.keep / f"truth-{count}-{name}.npy", truth(of, count, RECALL_AT, collection))
    return {}


def _build(run: Run, name: str, count: int) -> dict[str, Any]:
    """Grow the index from what it holds; only the writing counts, not the inventing."""
    of = run.material()
    engine = run.engine(name, of.centres.shape[1])
    held = engine.reader().count(EVERYTHING) // BLOCK
    blocks = range(held, count // BLOCK)
    writer, spent, began, cpu = engine.writer(), 0.0, time.perf_counter(), engine.cpu_s()
    for done, block in enumerate(blocks, start=1):
        group = list(documents(of, block))
        started = time.perf_counter()
        writer.write(group)
        spent += time.perf_counter() - started
        if done % 10 == 0 or done == len(blocks):
            left = (time.perf_counter() - began) / done * (len(blocks) - done)
            rate = done * BLOCK / spent
            print(
                f"  {block + 1:,} thousand, {rate:,.0f}/s, {left / 60:.0f} min left   ", end="\r", flush=True
            )
    print()
    written, started = len(blocks) * BLOCK, time.perf_counter()
    writer.close()
    engine.settle()
    merged = spent + time.perf_counter() - started
    computed = engine.cpu_s() - cpu
    return {
        "from": held * BLOCK,
        "to": count,
        "passages/s": round(written / spent) if written else None,
        "passages/s, merges awaited": round(written / merged) if written else None,
        "processor s": computed,
        "memory of the writer": engine.memory(),
        "disk": engine.disk(),
    }


def _merge(run: Run, count: int) -> dict[str, Any]:
    """Into one segment, as one does with an index that is not written to for long."""
    engine = run.engine("opensearch", run.material().centres.shape[1])
    assert isinstance(engine, Cluster)
    started, cpu = time.perf_counter(), engine.cpu_s()
    engine.merge()
    taken = time.perf_counter() - started
    return {"passages/s": round(count / taken), "processor s": engine.cpu_s() - cpu, "disk": engine.disk()}


def _measure(run: Run, name: str, count: int) -> dict[str, Any]:
    of = run.material()
    engine = run.engine(name, of.centres.shape[1])
    started = time.perf_counter()
    reader = engine.reader()
    held = reader.count(EVERYTHING)
    opened = (time.perf_counter() - started) * 1e3
    if held != count:
        raise RuntimeError(
            f"The index holds {held:,} passages instead of {count:,}. Give the --keep that it was made with, "
            "or delete it: the folder, or the cluster's sieve-bench-passages-0001."
        )
    words: list[Subquery] = [Lexical(text) for text in of.questions]
    meant: list[Subquery] = [Dense(vector) for vector in of.vectors]
    both = list(zip(words, meant, strict=True))
    result: dict[str, Any] = {"open ms": opened, "recall": {}, "memory": {"opened": engine.memory()}}
    latency: dict[str, Any] = {}
    for label, legs in (
        ("BM25", [[one] for one in words]),
        ("kNN", [[one] for one in meant]),
        ("hybrid", both),
    ):
        for where, collections in (("", EVERYTHING), (", 90 %", MOST), (", 1 %", ONE)):
            latency[label + where] = _latency(reader, legs, collections)
    latency[f"hybrid, {ASKERS} at once"] = _crowd(reader, both)
    ids = [passage.id for passage in _ranking(reader, both[0], EVERYTHING)[:K]]
    latency["token codes of 200"] = _times(lambda _: reader.token_codes(ids), 60)
    for where, collections in (("all", EVERYTHING), ("one", ONE)):
        result["recall"][where] = _recall(reader, meant, collections, run.keep / f"truth-{count}-{where}.npy")
    result["memory"]["after searches"] = engine.memory()
    started = time.perf_counter()
    reader.documents()
    result["documents s"] = time.perf_counter() - started
    latency["hybrid, first after a commit"] = _after_commits(engine, reader, of, both, latency)
    return result | {"ms": latency, "disk": engine.disk()}


def _times(call: Callable[[int], object], count: int) -> dict[str, float]:
    """Milliseconds by the clock; and those of our own processor time, which other programs disturb less."""
    taken, computed = [], []
    for number in range(count):
        started, cpu = time.perf_counter(), time.process_time()
        call(number)
        computed.append((time.process_time() - cpu) * 1e3)
        taken.append((time.perf_counter() - started) * 1e3)
    return percentiles(taken) | {"cpu": percentiles(computed)["p50"]}


def _latency(
    reader: IndexReader, asked: Sequence[Sequence[Subquery]], collections: Sequence[str]
) -> dict[str, float]:
    """Every question once for warmth and once for the clock."""
    for subqueries in asked[: len(asked) // 4]:
        reader.search(subqueries, K, collections)
    return _times(lambda i: reader.search(asked[i], K, collections), len(asked))


def _crowd(reader: IndexReader, asked: Sequence[Sequence[Subquery]]) -> dict[str, float]:
    taken: list[float] = []

    def ask(subqueries: Sequence[Subquery]) -> None:
        started = time.perf_counter()
        reader.search(subqueries, K, EVERYTHING)
        taken.append((time.perf_counter() - started) * 1e3)

    began = time.perf_counter()
    with ThreadPoolExecutor(ASKERS) as pool:
        list(pool.map(ask, [*asked, *asked]))
    return percentiles(taken) | {"per s": len(taken) / (time.perf_counter() - began)}


def _ranking(reader: IndexReader, subqueries: Sequence[Subquery], collections: Sequence[str]) -> list[Any]:
    legs = [leg.ranking for leg in reader.search(subqueries, K, collections)]
    return [passage for ranking in legs if ranking for passage in ranking.passages]


def _recall(reader: IndexReader, meant: Sequence[Subquery], where: Sequence[str], file: Path) -> float:
    shares = []
    for subquery, best in zip(meant, np.load(file), strict=True):
        (leg,) = reader.search([subquery], K, where)
        assert leg.ranking is not None, leg.error
        found = {place_of(passage.id) for passage in leg.ranking.passages[:RECALL_AT]}
        wanted = set(best[best >= 0].tolist())
        shares.append(len(found & wanted) / len(wanted))
    return float(np.mean(shares))


def _after_commits(
    engine: Engine, reader: IndexReader, of: Material, both: Any, latency: dict[str, Any]
) -> dict[str, float]:
    """A new document is written and deleted, ten times; the index is left as it was."""
    writer = engine.writer()
    written: list[dict[str, float]] = []
    deleted: list[dict[str, float]] = []
    searched: list[dict[str, float]] = []
    try:
        for number in range(10):
            new = next(documents(of, 10**6 + number))
            for call, taken in (
                (partial(writer.write, [new]), written),
                (partial(writer.delete, new.document_id), deleted),
            ):
                taken.append(_times(lambda _, call=call: call(), 1))
                searched.append(_times(lambda i: reader.search(both[i], K, EVERYTHING), 1))
    finally:
        writer.close()
    latency["commit of one document"] = _together(written)
    latency["deletion of one document"] = _together(deleted)
    return _together(searched)


def _together(once: Sequence[dict[str, float]]) -> dict[str, float]:
    middle = percentiles([one["cpu"] for one in once])["p50"]
    return percentiles([one["p50"] for one in once]) | {"cpu": middle}


if __name__ == "__main__":
    main()
