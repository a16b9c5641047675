"""Build rate, latency and size of the embedded index over random passages: `make bench-index_scan`.

Texts are 120 words drawn by Zipf's law from 50,000, in ten collections; vectors are random unit vectors of
384 dimensions, and every passage carries the codes of 164 tokens, about as much as real ones do.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from _common import percentiles, table, write

from rag.codes import TokenCodes
from rag.index import embedded
from rag.index.base import EncodedPassages
from rag.types import Dense, Lexical, Passage, passage_id

DIMENSION, TOKENS, WORDS, VOCABULARY, COLLECTIONS, GROUP = 384, 164, 120, 50_000, 10, 64
EVERYTHING = [f"c{number}" for number in range(COLLECTIONS)]


def words(rng: np.random.Generator, count: int) -> str:
    share = 1 / np.arange(1, VOCABULARY + 1)
    places = np.searchsorted(np.cumsum(share), rng.random(count) * share.sum())
    return " ".join(f"w{place}" for place in places)


def documents(count: int, rng: np.random.Generator) -> Iterator[EncodedPassages]:
    """Ten passages each."""
    codes = TokenCodes(
        rng.integers(0, 256, (TOKENS, DIMENSION // 8), np.uint8), np.full(TOKENS, 0.064, np.float16)
    )
    for number in range(count // 10):
        vectors = rng.standard_normal((10, DIMENSION), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        name, texts = str(number), words(rng, 10 * WORDS).split(" ")
        passages = tuple(
            Passage(
                id=passage_id(name, 1, position),
                document_id=name,
                version=1,
                position=position,
                collection=EVERYTHING[number % COLLECTIONS],
                title=f"Title {number}",
                headings=(),
                text=" ".join(texts[position * WORDS : (position + 1) * WORDS]),
                span=(0, 1),
                page=None,
                tokens=TOKENS,
            )
            for position in range(10)
        )
        yield EncodedPassages(name, 1, passages, vectors, (codes,) * 10)


def milliseconds(call: Callable[[int], object], times: int = 60) -> dict[str, float]:
    taken = []
    for number in range(times):
        started = time.perf_counter()
        call(number)
        taken.append((time.perf_counter() - started) * 1e3)
    return percentiles(taken)


def measure(root: Path, count: int) -> tuple[dict[str, object], list[dict[str, object]]]:
    rng = np.random.default_rng(0)
    embedded.create(root, "random", DIMENSION)
    writer = embedded.open_writer(root, "random", DIMENSION)
    spent, waiting, commits = 0.0, [], 0
    for document in documents(count, rng):
        waiting.append(document)
        if len(waiting) == GROUP:
            started = time.perf_counter()
            writer.write(waiting)
            spent += time.perf_counter() - started
            waiting.clear()
            commits += 1
    started = time.perf_counter()
    writer.write(waiting)
    writer.close()
    spent += time.perf_counter() - started
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())

    started = time.perf_counter()
    reader = embedded.open_reader(root, "random", DIMENSION)
    reader.count(EVERYTHING)
    opened = time.perf_counter() - started
    asked = [Lexical(words(rng, 10)) for _ in range(60)]
    vectors = rng.standard_normal((60, DIMENSION)).astype(np.float32)
    meant = [Dense(vector / np.linalg.norm(vector)) for vector in vectors]
    tenth, most = EVERYTHING[:1], EVERYTHING[1:]
    found = reader.search([meant[0]], 200, EVERYTHING)[0].ranking
    assert found is not None
    ids = [passage.id for passage in found.passages]
    cases: dict[str, Callable[[int], object]] = {
        "BM25, all collections": lambda i: reader.search([asked[i]], 200, EVERYTHING),
        "BM25, 9 of 10 collections": lambda i: reader.search([asked[i]], 200, most),
        "BM25, 1 of 10 collections": lambda i: reader.search([asked[i]], 200, tenth),
        "kNN, all collections": lambda i: reader.search([meant[i]], 200, EVERYTHING),
        "kNN, 9 of 10 collections": lambda i: reader.search([meant[i]], 200, most),
        "kNN, 1 of 10 collections": lambda i: reader.search([meant[i]], 200, tenth),
        "both legs": lambda i: reader.search([asked[i], meant[i]], 200, EVERYTHING),
        "token codes of 200 passages": lambda i: reader.token_codes(ids),
    }
    for call in cases.values():
        call(0)
    started = time.perf_counter()
    report = embedded.verify(root, "random", DIMENSION)
    verified = time.perf_counter() - started
    assert report.problems == () and report.passages == count, report
    index = {
        "passages": count,
        "passages_per_s": round(count / spent),
        "ms_per_commit": round(1e3 * spent / (commits + 1), 1),
        "bytes_per_passage": round(size / count),
        "open_ms": round(opened * 1e3, 1),
        "verify_s": round(verified, 1),
    }
    latency = [{"at k = 200, ms": name} | milliseconds(call) for name, call in cases.items()]
    return index, latency


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=30_000)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="index-scan-"))
    try:
        index, latency = measure(folder / "index", arguments.passages // 10 * 10)
    finally:
        shutil.rmtree(folder)
    table("The embedded index", [index])
    table("Search", latency)
    write("index_scan", {"index": index, "latency": latency})


if __name__ == "__main__":
    main()
