"""What stopping early loses and saves: `stop_gap` at several widths, on judged collections.

`python benchmarks/early_stop.py path/to/scifact path/to/cranfield`. Each candidate is scored once and every
width is judged on the same scores, through the pipeline itself.
"""

import dataclasses
import statistics

from _common import table, write
from _judged import arguments, opened, reranked_as

GAPS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
DEPTH = 50


def measure(folder, kept, limit: int) -> list[dict[str, object]]:  # type: ignore[no-untyped-def]
    from rag.evaluate import COLLECTION, runs
    from rag.measures import ndcg
    from rag.sweep import Remembering
    from rag.types import Query

    judged, documents, pipeline = opened(folder, kept)
    remembering = Remembering(pipeline.reranker)
    pipeline = dataclasses.replace(pipeline, reranker=remembering)
    seen: dict[float, list[tuple[int, float, bool]]] = {gap: [] for gap in GAPS}
    for qid, text in judged.sample(limit):
        remembering.forget()
        top: frozenset[str] = frozenset()
        for gap in GAPS:  # the first one, never, scores all that the others need
            one = reranked_as(pipeline, budget_ms=60_000, depth=DEPTH, stop_gap=gap)
            trace = one.answer(Query(id=qid, text=text, collections=(COLLECTION,)))
            now = frozenset(c.passage.id for c in trace.final[: pipeline.spec.context.top])
            top = top or now
            quality = ndcg(runs(trace, documents)["final"], judged.qrels[qid])
            seen[gap].append((trace.rerank.scored, quality, now != top))
    never = seen[0.0]
    return [
        {
            "collection": folder.name,
            "stop_gap": gap or "never",
            "scored": statistics.fmean(row[0] for row in found),
            "saved": f"{1 - sum(row[0] for row in found) / sum(row[0] for row in never):.0%}",
            "nDCG@10": f"{statistics.fmean(row[1] for row in found):.4f}",
            "lost": f"{statistics.fmean(r[1] for r in never) - statistics.fmean(r[1] for r in found):.4f}",
            "another top 5": f"{sum(row[2] for row in found) / len(found):.0%}",
        }
        for gap, found in seen.items()
    ]


def main() -> None:
    chosen = arguments("What stopping early loses and saves.", limit=100)
    rows: list[dict[str, object]] = []
    for folder in chosen.folders:
        rows += measure(folder, chosen.kept, chosen.limit)
        table(f"Early stop, {chosen.limit} questions at most, depth {DEPTH} asked", rows)
    write("early_stop", {"depth": DEPTH, "questions": chosen.limit, "rows": rows})


if __name__ == "__main__":
    main()
