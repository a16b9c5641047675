"""A cluster on paper for 100 million and a billion passages: `make bench-capacity`, nothing is started.

What a passage takes and how long a search of one shard lasts comes from `bench/index.json`, which
`make bench-index` writes, or else from `MEASURED` below. Everything that was not measured is an option,
and every value that is used is printed. Latency is simulated: each question becomes two tasks a shard,
tasks queue for the cores of the node that holds the shard, and the slowest shard decides.

    make bench-capacity ARGS="--passages 3e7 --qps 40 --node-price 350"
"""

import argparse
import heapq
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, table, write

GB = 1e9
VECTORS = {
    # engine and compression: bytes that must be in memory, and bytes on disk, for dimension d and edges m
    "lucene": (lambda d, m: 4 * d + 4 * m, lambda d, m: 4 * d + 4 * m),
    "lucene 4x": (lambda d, m: d + 4 + 4 * m, lambda d, m: 5 * d + 4 + 4 * m),
    "lucene 32x": (lambda d, m: d / 8 + 16 + 4 * m, lambda d, m: 4 * d + d / 8 + 16 + 4 * m),
    "faiss": (lambda d, m: 1.1 * (4 * d + 8 * m), lambda d, m: 4 * d + 1.1 * (4 * d + 8 * m)),
    "faiss 2x": (lambda d, m: 1.1 * (2 * d + 8 * m), lambda d, m: 4 * d + 1.1 * (2 * d + 8 * m)),
    "faiss 8x": (lambda d, m: 1.1 * (d / 2 + 8 * m), lambda d, m: 4 * d + 1.1 * (d / 2 + 8 * m)),
    "faiss 16x": (lambda d, m: 1.1 * (d / 4 + 8 * m), lambda d, m: 4 * d + 1.1 * (d / 4 + 8 * m)),
    "faiss 32x": (lambda d, m: 1.1 * (d / 8 + 8 * m), lambda d, m: 4 * d + 1.1 * (d / 8 + 8 * m)),
}
"""lucene: files as measured; 4 bytes an edge of the graph are more than was seen, 46 bytes a passage at m=16.
faiss: the formula of OpenSearch's documentation; beside its own file the cluster keeps the floats."""


@dataclass(frozen=True)
class Leg:
    """Milliseconds of one shard's search at a number of passages, and how they grow with it."""

    passages: float
    p50: float
    p95: float
    growth: float
    """Exponent: 0 stays, 1 doubles with twice the passages."""

    def at(self, passages: float) -> tuple[float, float]:
        """Median, and sigma of the logarithm, of a shard of this size."""
        return self.p50 * (passages / self.passages) ** self.growth, math.log(self.p95 / self.p50) / 1.645


@dataclass(frozen=True)
class Measured:
    """Constants of the real server, engine lucene, one shard."""

    source: str
    bm25: Leg
    knn: Leg
    built_per_s: float
    """Passages written in a second by one writer, without encoding."""
    words: float = 330.0
    """Bytes a passage: postings and terms of 150 to 200 words."""
    stored: float = 1200.0
    """Bytes a passage: its text and place, compressed, and the other doc values."""
    unmerged: float = 17_000.0
    """Bytes a passage: its whole source, kept for recovery until a merge."""


MEASURED = Measured(
    "constants in benchmarks/capacity.py: one shard of 100,000 and of 1,000,000 passages, on two cores",
    bm25=Leg(1_000_000, 24.2, 41.0, 0.054),
    knn=Leg(1_000_000, 24.1, 31.6, 0.026),
    built_per_s=543.0,
)


def main() -> None:
    chosen = _options()
    measured = _measured(chosen)
    print("Assumptions")
    for name, value in {**vars(chosen), **asdict(measured)}.items():
        print(f"  {name}: {value}")
    rows = [
        plan(chosen, measured, passages, vectors)
        for passages in chosen.passages
        for vectors in chosen.vectors
    ]
    table("Plans", rows)
    result = {"assumptions": vars(chosen) | asdict(measured), "plans": rows}
    write("capacity", json.loads(json.dumps(result, default=str)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def option(name: str, default: float, what: str) -> None:
        parser.add_argument(f"--{name}", type=float, default=default, help=f"{what} ({default:g})")

    parser.add_argument("--passages", type=float, nargs="+", default=[1e8, 1e9])
    parser.add_argument(
        "--vectors",
        nargs="+",
        default=["lucene", "lucene 4x", "lucene 32x", "faiss 2x", "faiss 32x"],
        choices=VECTORS,
    )
    option("dimension", 384, "of a vector")
    option("m", 16, "edges of a node in the graph")
    option("tokens", 150, "token codes a passage, each dimension / 8 + 2 bytes")
    option("shard-passages", 3e6, "passages a shard: about 30 GB, what OpenSearch recommends for search")
    option("replicas", 1, "copies besides the first")
    option("qps", 20, "questions a second")
    option("busy", 0.5, "share of the cores that searches may take, so that a node may be lost")
    option("shared", 0.8, "share of the spread between questions: a hard one is hard on every shard")
    option("core-speed", 1.0, "of a node's core, against the machine that was measured")
    option("hop-ms", 1.0, "network between nodes, there and back")
    option("merge-ms", 0.05, "work of the coordinating node a shard")
    option("node-cores", 16, "cores of a node")
    option("node-memory", 128, "GB of memory of a node")
    option("node-heap", 31, "GB of it for the heap")
    option("node-disk", 3800, "GB of disk of a node")
    option("full", 0.7, "share of a disk that may be full; OpenSearch stops placing shards at 0.85")
    option("node-price", 700, "a month, disk included; of no vendor, put in your own")
    option("questions", 2000, "simulated")
    option("encode-per-s", 29, "passages that one ingest worker on two cores encodes in a second")
    parser.add_argument("--index", type=Path, help="index.json of make bench-index")
    return parser.parse_args()


def _measured(chosen: argparse.Namespace) -> Measured:
    """From the file of `make bench-index`, where it has OpenSearch at two sizes."""
    data = Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var")
    file = chosen.index or data / "bench" / "index.json"
    if not file.exists():
        return MEASURED
    results: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
    sizes = {
        int(name.split(", ", 1)[1].replace(",", "")): of
        for name, of in results.items()
        if name.startswith("opensearch, ") and "building" not in name
    }
    if len(sizes) < 2:
        return MEASURED
    small, large = min(sizes), max(sizes)
    build = results[f"opensearch, building {large:,}"]
    rate = build["passages/s, merges awaited"] or MEASURED.built_per_s
    disk = sizes[large]["disk"]
    return replace(
        MEASURED,
        source=f"{file.name}: one shard of {small:,} and of {large:,} passages",
        bm25=_leg(sizes, small, large, "BM25"),
        knn=_leg(sizes, small, large, "kNN"),
        built_per_s=rate,
        words=disk.get("text", MEASURED.words * large) / large,
    )


def _leg(sizes: Mapping[int, Any], small: int, large: int, name: str) -> Leg:
    at, before = sizes[large]["ms"][name], sizes[small]["ms"][name]
    growth = math.log(at["p50"] / before["p50"]) / math.log(large / small)
    return Leg(large, at["p50"], at["p95"], min(1.0, max(0.0, growth)))


# --- The plan -----------------------------------------------------------------------------------------------


def plan(of: argparse.Namespace, measured: Measured, passages: float, vectors: str) -> dict[str, Any]:
    """Shards, nodes and what decides their number, latency and price."""
    in_memory, on_disk = (size(of.dimension, of.m) for size in VECTORS[vectors])
    codes = of.tokens * (of.dimension / 8 + 2)
    copies = 1 + of.replicas
    shards = math.ceil(passages / of.shard_passages)
    hot = in_memory + measured.words
    settled = on_disk + codes + measured.words + measured.stored
    # Shards are merged one after the other: of one in ten the sources may still be there.
    disk = settled + measured.unmerged / 10
    legs = [leg.at(passages / shards) for leg in (measured.bm25, measured.knn)]
    work_s = sum(p50 * math.exp(sigma**2 / 2) for p50, sigma in legs) / 1e3 / of.core_speed
    needed = {
        "memory": hot * passages * copies / GB / (of.node_memory - of.node_heap - 4),
        "disk": disk * passages * copies / GB / (of.node_disk * of.full),
        "cores": of.qps * shards * work_s / (of.node_cores * of.busy),
        "copies": copies,
    }
    decides = max(needed, key=lambda name: needed[name])
    nodes = math.ceil(needed[decides])
    taken = simulate(of, legs, shards, nodes, int(copies))
    median = max(p50 for p50, _ in legs) / of.core_speed
    return {
        "passages": f"{passages:.0e}",
        "vectors": vectors,
        "shards": f"{shards} x {copies:.0f}",
        "shard GB": settled * passages / shards / GB,
        "hot TB": hot * passages * copies / 1e12,
        "disk TB": disk * passages * copies / 1e12,
        "nodes": nodes,
        "decided by": decides,
        "busy %": 100 * of.qps * shards * work_s / (nodes * of.node_cores),
        "one shard ms": median,
        "p50 ms": float(np.percentile(taken, 50)),
        "p99 ms": float(np.percentile(taken, 99)),
        "code reads/s a node": 200 * of.qps / nodes,
        "writer days": passages / measured.built_per_s / 86400,
        "worker days": passages / of.encode_per_s / 86400,
        "a month": f"{nodes * of.node_price:,.0f}",
    }


def simulate(
    of: argparse.Namespace, legs: Sequence[tuple[float, float]], shards: int, nodes: int, copies: int
) -> np.ndarray:
    """Milliseconds of each question. Both legs are asked at once; a shard's copy is chosen by chance."""
    draw = np.random.default_rng(0)
    count = int(min(of.questions, 6e5 // shards))
    arrivals = np.cumsum(draw.exponential(1e3 / of.qps, count))
    cores = [[0.0] * int(of.node_cores) for _ in range(nodes)]
    for free in cores:
        heapq.heapify(free)
    taken = np.zeros(count)
    for question in range(count):
        hard, arrival = draw.standard_normal(), arrivals[question]
        holders = (np.arange(shards) + draw.integers(0, copies, shards) * max(1, nodes // copies)) % nodes
        end = arrival
        for p50, sigma in legs:
            own = draw.standard_normal(shards)
            spread = math.sqrt(of.shared) * hard + math.sqrt(1 - of.shared) * own
            for node, ms in zip(holders, p50 * np.exp(sigma * spread) / of.core_speed, strict=True):
                free = cores[node]
                done = max(arrival, heapq.heappop(free)) + ms
                heapq.heappush(free, done)
                end = max(end, done)
        taken[question] = end - arrival + of.hop_ms + of.merge_ms * shards
    return taken[count // 10 :]  # the first ones find every core free


if __name__ == "__main__":
    main()
