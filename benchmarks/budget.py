"""What a time budget buys on this machine: how many searches kept it, how deep they went, nDCG@10.

`python benchmarks/budget.py path/to/scifact path/to/cranfield`. The default pipeline is told to rerank fifty
deep, more than there is time for. A search kept its budget when its rerank stages, late interaction among
them, ended within it. The index of a collection is kept for the next run.
"""

import statistics

from _common import table, write
from _judged import arguments, opened, reranked_as

BUDGETS_MS = (200, 500, 1000)
DEPTH = 50
WARM_UP = 5


def measure(folder, kept, limit: int) -> list[dict[str, object]]:  # type: ignore[no-untyped-def]
    from rag.evaluate import COLLECTION, runs
    from rag.measures import ndcg
    from rag.types import Query

    judged, documents, pipeline = opened(folder, kept)
    questions = judged.sample(limit)
    rows: list[dict[str, object]] = []
    of_budget = {budget: reranked_as(pipeline, budget_ms=budget, depth=DEPTH) for budget in BUDGETS_MS}
    seen: dict[int, list[tuple[float, int, float, str]]] = {budget: [] for budget in BUDGETS_MS}
    for number, (qid, text) in enumerate([*questions[:WARM_UP], *questions], start=-WARM_UP):
        for budget, one in of_budget.items():  # in turn: a slow moment of the machine hits each budget
            trace = one.answer(Query(id=qid, text=text, collections=(COLLECTION,)))
            steps = {t.step: t for t in trace.timings}
            took = steps["reranked"].started_ms + steps["reranked"].elapsed_ms - steps["late"].started_ms
            quality = ndcg(runs(trace, documents)["final"], judged.qrels[qid])
            if number >= 0:
                seen[budget].append((took, trace.rerank.scored, quality, trace.rerank.status))
    for budget, found in seen.items():
        rows.append(
            {
                "collection": folder.name,
                "budget ms": budget,
                "kept": f"{sum(row[0] <= budget for row in found) / len(found):.1%}",
                "within +50 ms": f"{sum(row[0] <= budget + 50 for row in found) / len(found):.1%}",
                "longest ms": max(row[0] for row in found),
                "depth": statistics.fmean(row[1] for row in found),
                "nDCG@10": f"{statistics.fmean(row[2] for row in found):.4f}",
                "without scores": sum(row[3] == "fallback" for row in found),
            }
        )
    return rows


def main() -> None:
    chosen = arguments("What a time budget buys.", limit=200)
    rows: list[dict[str, object]] = []
    for folder in chosen.folders:
        rows += measure(folder, chosen.kept, chosen.limit)
        table(f"Budgets, {chosen.limit} questions at most, depth {DEPTH} asked", rows)
    write("budget", {"depth": DEPTH, "questions": chosen.limit, "rows": rows})


if __name__ == "__main__":
    main()
