"""Whether both indexes give the same rankings: `make bench-parity ARGS="DIR ... --url http://127.0.0.1:9200"`.

Each DIR is a judged collection in BEIR's layout. It is encoded once, into an embedded index that is kept as
`bench/parity/NAME` in the data folder, and the very same passages, vectors and token codes are written into
a cluster, under a prefix of their own that is deleted after. Every judged question is then asked of both.
Prints for BM25, kNN and their fusion the overlap of the first 100 and nDCG@10 on each; for kNN also the
recall of the exact ranking, computed here over all vectors.
"""

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from statistics import fmean

import numpy as np
from _common import ROOT, table, write

from rag import evaluate
from rag.codes import TokenCodes
from rag.encode import onnx as encoders
from rag.encode.base import Floats
from rag.fuse import fuse
from rag.index import embedded, opensearch
from rag.index.base import EncodedPassages, IndexReader
from rag.index.embedded import layout, rows
from rag.index.opensearch.versions import versions
from rag.measures import ndcg
from rag.models import ModelStore
from rag.spec import load
from rag.types import Dense, Lexical, Ranking

DATA = Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var")
MODELS = Path(os.environ.get("SIEVE_MODEL_DIR") or ROOT / "var" / "models")
SPEC = load(ROOT / "search_app" / "specs" / "default.toml")
K = 100
PREFIX = "sieve-parity"
GOALS = "Goals: overlap and recall at least .98, nDCG@10 within .005."
RANKINGS = ("bm25", "knn", "fused")


def built(
    judged: evaluate.Judged, encoder: encoders.OnnxEncoder, language: str
) -> tuple[Path, dict[str, str]]:
    """The embedded index of the collection, made where there is none, and its documents' own names."""
    root = DATA / "bench" / "parity" / judged.folder.name
    if layout.current(root) is None:
        return root, dict(evaluate.build_index(judged, root, encoder, SPEC.split, language))
    return root, {str(number): name for number, (name, _) in enumerate(judged.documents())}


def held(root: Path, dimension: int) -> Iterator[EncodedPassages]:
    """What an embedded index holds, as it was written."""
    directory = root / (layout.current(root) or "")
    vectors = np.fromfile(directory / "vectors.f16", "<f2").reshape(-1, dimension).astype(np.float32)
    codes = (directory / "codes.bin").read_bytes()
    sql = """SELECT slot, code_offset, code_length FROM passages WHERE live
        ORDER BY document_id, version, position"""
    with closing(rows.connect(directory)) as connection:
        places = {slot: (start, start + length) for slot, start, length in connection.execute(sql)}
        names = dict(connection.execute("SELECT number, name FROM collections"))
        found = rows.passages(connection, list(places), names)
    for key, some in groupby(places, lambda slot: (found[slot].document_id, found[slot].version)):
        slots = list(some)
        of = tuple(TokenCodes.from_bytes(codes[slice(*places[slot])], dimension) for slot in slots)
        yield EncodedPassages(*key, tuple(found[slot] for slot in slots), vectors[slots], of)


def exact(query: Floats, vectors: Floats, ids: Sequence[str]) -> set[str]:
    scores = vectors @ query
    return {ids[i] for i in np.argpartition(-scores, min(K, len(ids)) - 1)[:K]}


def rankings(reader: IndexReader, text: str, vector: Floats) -> dict[str, Ranking]:
    legs = reader.search([Lexical(text), Dense(vector)], K, [evaluate.COLLECTION])
    found = {}
    for name, leg in zip(("bm25", "knn"), legs, strict=True):
        if leg.ranking is None or leg.partial:
            raise SystemExit(f"{name} did not answer wholly: {leg.error or leg.partial}")
        found[name] = leg.ranking
    weights = {"bm25": SPEC.fuse.bm25, "knn": SPEC.fuse.knn}
    return found | {"fused": fuse(list(found.values()), SPEC.fuse.method, weights).top(K)}


def overlap(one: Ranking, other: Ranking) -> float:
    ours, theirs = one.ranks().keys(), other.ranks().keys()
    return len(ours & theirs) / max(len(ours), len(theirs), 1)


def gain(ranking: Ranking, documents: Mapping[str, str], qrels: Mapping[str, int]) -> float:
    return ndcg([documents[d] for d in dict.fromkeys(p.document_id for p in ranking.passages)], qrels)


def compare(
    judged: evaluate.Judged, encoder: encoders.OnnxEncoder, at: opensearch.Cluster, args: argparse.Namespace
) -> dict[str, object]:
    root, documents = built(judged, encoder, args.language)
    meta = opensearch.Meta(encoder=encoder.fingerprint, dimension=encoder.dimension)
    form = opensearch.Form(m=args.m, ef_construction=args.ef_construction)
    opensearch.create(at, meta, form)
    writer = opensearch.open_writer(at, meta)
    writer.set_languages({evaluate.COLLECTION: args.language})
    everything = list(held(root, encoder.dimension))
    began = time.perf_counter()
    for start in range(0, len(everything), 500):  # several commits, several segments: as it grows in use
        writer.write(everything[start : start + 500])
    seconds = time.perf_counter() - began
    ids = [passage.id for document in everything for passage in document.passages]
    vectors = np.concatenate([document.vectors for document in everything])
    ours = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
    theirs = opensearch.open_reader(at, meta)
    sums: dict[str, list[tuple[float, float, float]]] = {name: [] for name in RANKINGS}
    recalls = []
    for qid, text in judged.sample(args.limit):
        vector = encoder.encode_queries([text]).vectors[0]
        one, other = (rankings(reader, text, vector) for reader in (ours, theirs))
        for name, values in sums.items():
            gains = (gain(of[name], documents, judged.qrels[qid]) for of in (one, other))
            values.append((overlap(one[name], other[name]), *gains))  # type: ignore[arg-type]
        nearest = exact(vector, vectors, ids)
        recalls.append(len(nearest & other["knn"].ranks().keys()) / len(nearest))
    found: dict[str, object] = {"passages": len(ids), "questions": len(recalls), "write_s": seconds}
    for name, values in sums.items():
        same, embedded_gain, cluster_gain = (fmean(column) for column in zip(*values, strict=True))
        found[name] = {
            "overlap@100": same,
            "lowest": min(value[0] for value in values),
            "nDCG@10 embedded": embedded_gain,
            "nDCG@10 cluster": cluster_gain,
            "difference": cluster_gain - embedded_gain,
        }
    found["knn"] = {**found["knn"], "recall@100 of exact": fmean(recalls)}  # type: ignore[dict-item]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument(
        "--url", default="http://127.0.0.1:9200", help="SIEVE_OPENSEARCH_USER, _PASSWORD and _CA say who asks"
    )
    parser.add_argument("--limit", type=int, help="questions of each collection")
    parser.add_argument("--language", default="en")
    parser.add_argument("--m", type=int, default=opensearch.Form().m)
    parser.add_argument("--ef-construction", type=int, default=opensearch.Form().ef_construction)
    args = parser.parse_args()
    encoder = encoders.load(SPEC.encoder.model, ModelStore(MODELS).path(SPEC.encoder.model))
    result: dict[str, object] = {"form": {"m": args.m, "ef_construction": args.ef_construction}}
    for folder in args.folders:
        judged = evaluate.read(folder)
        at = opensearch.Cluster(
            opensearch.Address(
                urls=(args.url,),
                user=os.environ.get("SIEVE_OPENSEARCH_USER", ""),
                password=os.environ.get("SIEVE_OPENSEARCH_PASSWORD", ""),
                ca=Path(ca) if (ca := os.environ.get("SIEVE_OPENSEARCH_CA")) else None,
                prefix=f"{PREFIX}-{folder.name}",
                timeout_s=30.0,
            )
        )
        try:
            result[folder.name] = found = compare(judged, encoder, at, args)
        finally:
            for version in versions(at):
                at.call(lambda client, name=version.name: client.indices.delete(index=name))  # type: ignore[misc]
        title = f"{folder.name}: {found['passages']} passages, {found['questions']} questions"
        table(title, [{"": name, **found[name]} for name in RANKINGS])  # type: ignore[dict-item]
    print(f"\n{GOALS}")
    write("parity", result)


if __name__ == "__main__":
    main()
