"""What a judge of the context gets to see for the questions of a collection, kept as lines of JSON.

Finding, reranking and scoring sentences takes a second a question; what is made of it is tried many times.
"""

import dataclasses
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.pipeline import Pipeline
from rag.quotes import quotes
from rag.trace import Trace
from rag.types import Candidate, Passage, Query, Ranking

KEPT = 20
"""Candidates of each ranking that are kept."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A question, what was found for it, and what is known of it."""

    id: str
    question: str
    kind: str
    """answerable | unanswerable | foreign"""
    group: str
    """What is split by: the article of the gold passage, where there is one; else the question."""
    found: bool
    """Whether the gold passage is in the context."""
    context: tuple[Passage, ...]
    rankings: tuple[Ranking, ...]
    logits: tuple[float, ...]
    """Of each sentence of the context, in the order of `rag.quotes`."""


def asked(folder: Path, number: int, seed: int = 1) -> list[dict[str, Any]]:
    """Questions with an answer or known to have none; the first ones of one fixed order."""
    gold: dict[str, set[str]] = {}
    for line in (folder / "qrels/test.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            gold.setdefault(query, set()).add(document)
    rows = [json.loads(line) for line in (folder / "queries.jsonl").read_text("utf-8").splitlines()]
    kept = []
    for row in rows:
        about = row.get("metadata") or {}
        impossible = bool(about.get("is_impossible"))
        if not impossible and row["_id"] not in gold:
            continue
        named = about.get("gold_passage") or ""
        kept.append(
            {
                "id": row["_id"],
                "question": row["text"],
                "kind": "unanswerable" if impossible else "answerable",
                "group": named.partition("#")[0] or row["_id"],
                "gold": sorted(gold.get(row["_id"], set()) | ({named} if named else set())),
            }
        )
    random.Random(seed).shuffle(kept)
    return kept[:number]


def look(
    questions: Sequence[dict[str, Any]],
    pipeline: Pipeline | None,
    documents: dict[str, str],
    scorer: Any,
    kept: Path,
) -> Iterator[Seen]:
    """Ask those that are not in the file `kept` yet, and give all; without a pipeline those that are."""
    known = {row["id"]: row for row in map(json.loads, kept.open(encoding="utf-8"))} if kept.is_file() else {}
    with kept.open("a", encoding="utf-8") as file:
        for row in questions:
            if row["id"] not in known and pipeline is None:
                continue
            if row["id"] not in known:
                query = Query(id=row["id"], text=row["question"], collections=("judged",))
                trace = pipeline.answer(query)
                known[row["id"]] = _row(row, trace, documents, scorer)
                file.write(json.dumps(known[row["id"]]) + "\n")
                file.flush()
            yield _seen(known[row["id"]])


def _row(row: dict[str, Any], trace: Trace, documents: dict[str, str], scorer: Any) -> dict[str, Any]:
    context = [passage for _, passage in trace.handed]
    texts = [quote.read for quote in quotes(context)]
    values = scorer.score_texts(row["question"], texts, deadline=time.monotonic() + 600).values
    gold = set(row["gold"])
    return {
        **{name: row[name] for name in ("id", "question", "kind", "group")},
        "found": any(documents[p.document_id] in gold for p in context),
        "context": [dataclasses.asdict(passage) for passage in context],
        "rankings": [
            (r.stage, r.kind, [(c.passage.id, c.score) for c in r.candidates[:KEPT]]) for r in trace.rankings
        ],
        "logits": list(values),
    }


def _seen(row: dict[str, Any]) -> Seen:
    context = tuple(
        Passage(**{**kept, "headings": tuple(kept["headings"]), "span": tuple(kept["span"])})
        for kept in row["context"]
    )
    by_id = {passage.id: passage for passage in context}
    blank = dataclasses.replace(context[0], text="", title="") if context else None
    rankings = tuple(
        Ranking(
            stage,
            kind,
            tuple(
                Candidate(by_id.get(pid) or dataclasses.replace(blank, id=pid), score)  # type: ignore[type-var]
                for pid, score in scored
            ),
        )
        for stage, kind, scored in row["rankings"]
    )
    return Seen(
        row["id"],
        row["question"],
        row["kind"],
        row["group"],
        row["found"],
        context,
        rankings,
        tuple(row["logits"]),
    )
