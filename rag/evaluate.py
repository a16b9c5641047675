"""Measure every stage of a pipeline on judged questions: the same code that answers, over its own index.

A collection is a folder in BEIR's layout: `corpus.jsonl` {_id, title, text}, `queries.jsonl` {_id, text},
`qrels/test.tsv` (query-id, corpus-id, score, with a header line). A document's rank is that of its best
passage. Only questions with a relevant document count, as in trec_eval.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.encode.base import Encoder
from rag.errors import SieveError
from rag.fuse import rrf
from rag.index import embedded
from rag.ingest import encode
from rag.measures import ndcg, recall, reciprocal_rank
from rag.parse import markdown
from rag.parse.base import ParsedDocument
from rag.spec import SplitSpec
from rag.split import split
from rag.trace import Trace
from rag.types import Passage, Query

MEASURES: dict[str, Callable[[Sequence[str], Mapping[str, int]], float]] = {
    "nDCG@10": ndcg,
    "RR@10": reciprocal_rank,
    "R@100": recall,
}
STEPS = {
    "bm25": ("bm25",),
    "knn": ("encode", "knn"),
    "fused": ("fused",),
    "late": ("late",),
    "coarse": ("coarse",),
    "middle": ("middle",),
    "reranked": ("reranked",),
    "final": ("final",),
}
"""Which timed steps are the cost of a stage; `rrf` costs what `fused` costs."""
COLLECTION = "judged"
MARKDOWN = markdown.SUFFIXES
GROUP = 256
"""Documents in a commit of the index."""
FILES = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
RUNS = ("bm25", "knn", "rrf", "fused", "late", "coarse", "middle", "reranked", "final")


class CollectionError(SieveError):
    """The folder is not a judged collection; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged collection, read whole except for its documents."""

    folder: Path
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]

    def documents(self) -> Iterator[tuple[str, ParsedDocument]]:
        """Document id and text, in file order; a text whose id names a Markdown file is read as one."""
        for number, row in _rows(self.folder / "corpus.jsonl"):
            document, title, text = row.get("_id"), row.get("title") or "", row.get("text")
            if not (isinstance(document, str) and isinstance(title, str) and isinstance(text, str)):
                raise CollectionError(f"corpus.jsonl line {number}: needs the strings _id, title and text")
            parsed = ParsedDocument(title=title, text=text)
            if document.endswith(MARKDOWN):
                read = markdown.parse(text.encode(), document)
                parsed = dataclasses.replace(read, title=title or read.title)
            yield document, parsed

    def sample(self, limit: int | None) -> list[tuple[str, str]]:
        """At most `limit` judged questions, evenly spread over the file; always the same ones."""
        judged = [(qid, text) for qid, text in self.queries.items() if any(self.qrels.get(qid, {}).values())]
        if limit is None or limit >= len(judged):
            return judged
        return [judged[i * len(judged) // limit] for i in range(limit)]


def read(folder: Path) -> Judged:
    """Read a BEIR folder. Raises `CollectionError` naming the file and line that is wrong."""
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        if not (folder / name).is_file():
            raise CollectionError(
                f"{folder} has no {name}: a BEIR folder is corpus.jsonl, queries.jsonl, qrels/test.tsv"
            )
    queries: dict[str, str] = {}
    for number, row in _rows(folder / "queries.jsonl"):
        query, text = row.get("_id"), row.get("text")
        if not (isinstance(query, str) and isinstance(text, str)):
            raise CollectionError(f"queries.jsonl line {number}: needs the strings _id and text")
        queries[query] = text
    qrels: dict[str, dict[str, int]] = {}
    lines = (folder / "qrels/test.tsv").read_text("utf-8").splitlines()
    for number, line in enumerate(lines[1:], start=2):
        parts = line.split("\t")
        try:
            query, document, grade = parts
            qrels.setdefault(query, {})[document] = int(grade)
        except ValueError as error:
            raise CollectionError(
                f"qrels/test.tsv line {number}: needs query, document and a whole number"
            ) from error
    return Judged(folder, queries, qrels)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise CollectionError(f"{path.name} line {number} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise CollectionError(f"{path.name} line {number}: needs an object in braces")
            yield number, row


def build_index(
    judged: Judged, root: Path, encoder: Encoder, spec: SplitSpec, language: str
) -> Iterator[tuple[str, str]]:
    """Index the collection under `root`; yields (document id in the index, id in the qrels) as it goes.

    The documents lie in the collection named `COLLECTION`, analysed as `language`.
    """
    embedded.create(root, encoder.fingerprint, encoder.dimension)
    writer = embedded.open_writer(
        root, encoder.fingerprint, encoder.dimension, languages={COLLECTION: language}
    )
    try:
        waiting: list[list[Passage]] = []
        for number, (name, parsed) in enumerate(judged.documents()):
            passages = split(
                parsed, document_id=str(number), version=1, collection=COLLECTION, encoder=encoder, spec=spec
            )
            if passages:
                waiting.append(passages)
            if len(waiting) == GROUP:
                writer.write(encode(waiting, encoder))
                waiting.clear()
            yield str(number), name
        writer.write(encode(waiting, encoder))
    finally:
        writer.close()


def kept_index(
    judged: Judged, root: Path, encoder: Encoder, spec: SplitSpec, language: str
) -> Iterator[tuple[str, str]]:
    """As `build_index`, but a whole index that stands there from another time is taken as it is.

    Raises `CollectionError` where it is one of something else.
    """
    made_of = f"{judged.folder.name} {language} {encoder.fingerprint} {spec.max_tokens}/{spec.overlap_tokens}"
    note = root / "judged.json"
    if note.is_file():
        before, documents = json.loads(note.read_text("utf-8"))
        if before != made_of:
            raise CollectionError(f"{root} holds an index of {before}, not of {made_of}: name another folder")
        yield from documents.items()
        return
    documents = {}
    for number, name in build_index(judged, root, encoder, spec, language):
        documents[number] = name
        yield number, name
    note.write_text(json.dumps([made_of, documents]), "utf-8")  # last: without it the index is not whole


def runs(trace: Trace, documents: Mapping[str, str]) -> dict[str, list[str]]:
    """Each stage's order of documents; `documents` is document id in the index → id in the qrels.

    `late`, `reranked` and the stages between are a model's own order; what it did not score follows in the
    final order.
    """
    final = [c.passage.document_id for c in trace.final]
    legs = [ranking for stage in ("bm25", "knn") if (ranking := trace.ranking(stage))]
    orders = {str(r.stage): [p.document_id for p in r.passages] for r in trace.rankings}
    orders["rrf"] = [p.document_id for p in rrf(legs).passages]
    for stage in ("late", "coarse", "middle", "reranked"):
        if stage in orders:
            orders[stage] = orders[stage] + final
    return {stage: [documents[d] for d in dict.fromkeys(order)] for stage, order in orders.items()}


@dataclass(slots=True)
class Report:
    """Means over questions: stage → measure → value, and stage → milliseconds."""

    pipeline: str
    fingerprint: str
    questions: int
    stages: dict[str, dict[str, float]]
    rerank: dict[str, int]
    """`rerank.status` → number of questions."""
    cached: int = 0
    """Scores that came from the score cache."""


def measure(
    pipeline: str,
    answer: Callable[[Query], Trace],
    questions: Iterable[tuple[str, str]],
    judged: Judged,
    documents: Mapping[str, str],
) -> Report:
    """Ask every question and measure every stage's ranking."""
    sums: dict[str, dict[str, float]] = {}
    milliseconds: dict[str, float] = {}
    statuses: dict[str, int] = {}
    asked, cached, fingerprint = 0, 0, ""
    for qid, text in questions:
        trace = answer(Query(id=qid, text=text, collections=(COLLECTION,)))
        asked, fingerprint = asked + 1, trace.fingerprint
        statuses[trace.rerank.status] = statuses.get(trace.rerank.status, 0) + 1
        cached += sum(spent.cached for spent in trace.spent.values())
        for timing in trace.timings:
            milliseconds[timing.step] = milliseconds.get(timing.step, 0.0) + timing.elapsed_ms
        for stage, run in runs(trace, documents).items():
            of = sums.setdefault(stage, dict.fromkeys(MEASURES, 0.0))
            for name, function in MEASURES.items():
                of[name] += function(run, judged.qrels[qid])
    stages = {}
    for stage in RUNS:
        if stage in sums:
            cost = sum(milliseconds.get(step, 0.0) for step in STEPS.get(stage, ("fused",)))
            stages[stage] = {name: value / asked for name, value in sums[stage].items()} | {
                "ms": cost / asked
            }
    return Report(pipeline, fingerprint, asked, stages, statuses, cached)
