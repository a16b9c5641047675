"""When should the extractive answer refuse? `python benchmarks/refusal_study.py DIR [--foreign DIR]`.

DIR is a BEIR folder whose questions carry `metadata.is_impossible` and `metadata.answers`, such as SQuAD 2.0:
its unanswerable questions were written to look answerable from a paragraph that is there. Questions of a
`--foreign` folder are about something else altogether. Each question gets the five nearest passages of DIR
by the bi-encoder alone. Prints, for each threshold, how many are refused, and what the answers hold.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, table, write
from tqdm import tqdm

from rag.answers import Answer
from rag.encode import onnx as encoders
from rag.encode.onnx import OnnxEncoder
from rag.generate.base import Finished
from rag.generate.extractive import ExtractiveGenerator
from rag.models import ModelStore
from rag.rerank import onnx as rerankers
from rag.types import Passage

TOP, EVERYTHING = 5, -1e9
THRESHOLDS = (-8.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


@dataclass(frozen=True, slots=True)
class Asked:
    kind: str
    """answerable | unanswerable | foreign"""
    found: bool
    """Whether the gold passage is among the five."""
    confidence: float
    right: bool
    """Whether a gold answer stands in the answer, word for word."""
    sentences: int


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def passages(folder: Path) -> list[Passage]:
    return [
        Passage(
            id=f"{row['_id']}:1:0",
            document_id=row["_id"],
            version=1,
            position=0,
            collection="study",
            title=row.get("title", ""),
            headings=(),
            text=row["text"],
            span=(0, len(row["text"])),
            page=None,
            tokens=0,
        )
        for row in lines(folder, "corpus.jsonl")
    ]


def encode(encoder: OnnxEncoder, texts: Sequence[str]) -> np.ndarray:
    parts = [
        encoder.encode_passages(texts[i : i + 64]).vectors for i in tqdm(range(0, len(texts), 64), "encode")
    ]
    return np.concatenate(parts)


def ask(generator: ExtractiveGenerator, question: str, context: Sequence[Passage]) -> Answer:
    *_, last = generator.stream(question, context, deadline=time.monotonic() + 600)
    if not isinstance(last, Finished):
        raise TypeError("a generator ends with Finished")
    return last.answer


def curve(asked: Sequence[Asked]) -> list[dict[str, object]]:
    """One row for each threshold; shares are of the kind of question that the column names."""
    rows: list[dict[str, object]] = []
    kinds = {kind: [a for a in asked if a.kind == kind] for kind in ("answerable", "unanswerable", "foreign")}
    for threshold in THRESHOLDS:
        refused = {k: sum(a.confidence < threshold for a in of) for k, of in kinds.items()}
        wanted, unwanted = refused["unanswerable"], refused["answerable"]
        found = [a for a in kinds["answerable"] if a.found]
        row: dict[str, object] = {
            "threshold": threshold,
            "precision": wanted / max(wanted + unwanted, 1),
            "recall": wanted / max(len(kinds["unanswerable"]), 1),
            "answered of found": sum(a.confidence >= threshold for a in found) / max(len(found), 1),
            "right of answered": sum(
                a.right for a in asked if a.kind != "foreign" and a.confidence >= threshold
            )
            / max(sum(a.kind != "foreign" and a.confidence >= threshold for a in asked), 1),
        }
        if kinds["foreign"]:
            row["foreign refused"] = refused["foreign"] / len(kinds["foreign"])
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--foreign", type=Path, help="BEIR folder with questions about something else")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.folder is None:
        print("Needs a folder with unanswerable questions: nothing was measured.", file=sys.stderr)
        return
    store = ModelStore(Path(os.environ.get("SIEVE_MODEL_DIR") or ROOT / "var" / "models"))
    encoder_name, reranker_name = "bge-small-en-v1.5-int8", "ms-marco-MiniLM-L-12-v2-int8"
    encoder = encoders.load(encoder_name, store.path(encoder_name))
    reranker = rerankers.load(reranker_name, store.path(reranker_name))
    generator = ExtractiveGenerator(reranker, threshold=EVERYTHING, max_sentences=3)

    corpus = passages(options.folder)
    vectors = encode(encoder, [p.search_text for p in corpus])
    draw = random.Random(options.seed)
    questions = draw.sample(lines(options.folder, "queries.jsonl"), options.questions)
    if options.foreign:
        foreign = lines(options.foreign, "queries.jsonl")
        questions += [{"foreign": True, **q} for q in draw.sample(foreign, min(len(foreign), 100))]
    asked = []
    for question in tqdm(questions, "ask"):
        nearest = np.argsort(-(vectors @ encoder.encode_queries([question["text"]]).vectors[0]))[:TOP]
        context = [corpus[i] for i in nearest]
        answer = ask(generator, question["text"], context)
        about = question.get("metadata") or {}
        impossible = bool(about.get("is_impossible"))
        kind = "foreign" if "foreign" in question else "unanswerable" if impossible else "answerable"
        asked.append(
            Asked(
                kind,
                about.get("gold_passage") in {p.document_id for p in context},
                answer.confidence if answer.confidence is not None else EVERYTHING,
                not impossible and any(gold in answer.text for gold in about.get("answers", [])),
                len(answer.citations),
            )
        )
    found = [a for a in asked if a.kind == "answerable" and a.found]
    rows = curve(asked)
    table(f"{len(questions)} questions; {len(found)} answerable with their passage among the {TOP}", rows)
    right = sum(a.right for a in found) / len(found)
    print(f"\n  a gold answer stands in the answer to {right:.3f} of these, at no threshold")
    print(f"  with {sum(a.sentences for a in found) / len(found):.2f} sentences an answer")
    write("refusal_study", {"questions": len(questions), "right_of_found": right, "curve": rows})


if __name__ == "__main__":
    main()
