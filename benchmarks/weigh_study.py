"""What tells that the documents do not answer? `python benchmarks/weigh_study.py DIR [--others DIR …]`.

DIR is a BEIR folder whose questions carry `metadata.is_impossible`, such as SQuAD 2.0. Each question is asked
of the default pipeline; what a judge sees of it is kept in the folder of the indexes, so that a second run
takes seconds. Weights are fitted and the threshold is chosen on one half of the articles; everything that is
printed is of the other half, and of the `--others`, all of whose questions have an answer, with the same
weights and threshold. `--foreign` asks the questions of another folder of DIR's documents.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
from _common import table, write
from _curve import svg
from _features import NAMES, features
from _judged import data, opened, reranked_as
from _logistic import Floats, area, fit_signed, keeping, probability
from _weighed import Seen, asked, look

from rag.models import ModelStore
from rag.quotes import quotes
from rag.rerank import onnx

RERANKER = "ms-marco-MiniLM-L-12-v2-int8"
KEPT, RIDGE = 0.95, 1e-2
BUILT = "sentence and cosine"
TRIED = {
    BUILT: ("sentence", "cosine"),
    "sentence, cosine, names": ("sentence", "cosine", "names"),
    "sentence, words, names": ("sentence", "words", "names"),
    "all": NAMES,
}


def matrix(seen: Sequence[Seen]) -> Floats:
    return np.array(
        [astuple(features(s.question, s.context, s.rankings, quotes(s.context), s.logits)) for s in seen]
    )


def half(one: Seen) -> bool:
    """True: of the half to choose on. An article's questions are all of one half."""
    return random.Random(f"weigh {one.group}").random() < 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--others", type=Path, nargs="*", default=[])
    parser.add_argument("--foreign", type=Path)
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--each", type=int, default=100, help="questions of each of the other folders")
    parser.add_argument("--depth", type=int, default=6, help="passages that are reranked")
    parser.add_argument("--kept", type=Path, default=data() / "bench", metavar="FOLDER")
    parser.add_argument("--known", action="store_true", help="only what was asked before")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    store = ModelStore(data() / "models")
    scorer = None if options.known else onnx.load(RERANKER, store.path(RERANKER))

    def seen(folder: Path, number: int, foreign: Path | None = None) -> list[Seen]:
        name = f"weighed-{folder.name}{'-' + foreign.name if foreign else ''}.jsonl"
        questions = asked(foreign or folder, number)
        if foreign:
            questions = [{**row, "kind": "foreign", "gold": []} for row in questions]
        if options.known:
            return list(look(questions, None, {}, None, options.kept / name))
        _, documents, pipeline = opened(folder, options.kept)
        patient = reranked_as(pipeline, budget_ms=60_000, depth=options.depth)
        return list(look(questions, patient, documents, scorer, options.kept / name))

    every = seen(options.folder, options.questions)
    columns = matrix(every)
    answerable = np.array([s.kind == "answerable" for s in every])
    found = np.array([s.found for s in every])
    first = np.array([half(s) for s in every])
    used = ~answerable | found
    mean, spread = columns[first].mean(0), columns[first].std(0) + 1e-9
    standard = (columns - mean) / spread
    rows = first & used
    labels = answerable[rows].astype(float)
    weights = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())

    def fitted_on(names: Sequence[str]) -> Floats:
        """Bias and raw weights of all columns; those of the other columns are nought."""
        at = [NAMES.index(name) for name in names]
        found = fit_signed(standard[rows][:, at], labels, weights, 1.0, RIDGE)
        whole = np.zeros(len(NAMES) + 1)
        whole[[1 + i for i in at]] = found[1:] / spread[at]
        whole[0] = found[0] - (found[1:] * mean[at] / spread[at]).sum()
        return whole

    fits = {name: fitted_on(columns_of) for name, columns_of in TRIED.items()}
    for name, whole in fits.items():
        print(name, dict(zip(("bias", *NAMES), whole.round(3).tolist(), strict=True)))
    second = ~first & used
    print(f"{rows.sum()} questions to choose on, {second.sum()} to report on")
    truth = answerable[second].astype(float)
    table(
        "one thing at a time, second half",
        [{"feature": n, "area": area(columns[second, i], truth)} for i, n in enumerate(NAMES)],
    )

    judges = {"best sentence": columns[:, 0] * 10, **{n: probability(w, columns) for n, w in fits.items()}}
    summary, curves, marked = [], {}, {}
    limits: dict[str, float] = {}
    for name, scores in judges.items():
        limits[name] = keeping(scores[rows & answerable], KEPT)
        kept, refused = scores[second & answerable], scores[second & ~answerable]
        cut = limits[name]
        right, wrong = float((refused < cut).mean()), float((kept < cut).mean())
        summary.append(
            {"judge": name, "threshold": cut, "area": area(scores[second], truth), "refused": right,
             "answered": 1 - wrong, "precision at 1:1": right / max(right + wrong, 1e-9)}
        )  # fmt: skip
        steps = np.unique(np.quantile(scores[second], np.linspace(0, 1, 80)))
        if name not in ("best sentence", BUILT, "all"):
            continue
        curves[name] = [(float((kept >= t).mean()), float((refused < t).mean())) for t in steps]
        marked[name] = int(np.argmin(np.abs(steps - cut)))
    table("second half, at the threshold that keeps 95 % of the first", summary)

    scores = judges[BUILT]
    table(f"{BUILT}, by threshold", [
        {"threshold": t, "refused of the unanswerable": float((scores[second & ~answerable] < t).mean()),
         "answered of the answerable": float((scores[second & answerable] >= t).mean())}
        for t in (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
    ])  # fmt: skip
    carried = []
    for folder, foreign in [(f, None) for f in options.others] + [(options.folder, options.foreign)]:
        if foreign is None and folder == options.folder:
            continue
        there = seen(folder, options.each, foreign)
        if not there:
            continue
        other = matrix(there)
        known = np.array([s.found for s in there]) | (foreign is not None)
        values = {"best sentence": other[:, 0] * 10, **{n: probability(w, other) for n, w in fits.items()}}
        carried.append(
            {"questions": f"{foreign.name} asked of {folder.name}" if foreign else folder.name,
             "number": len(there), "their passage handed over": int(known.sum()),
             **{f"refused by {n}": float((v < limits[n]).mean()) for n, v in values.items()},
             **{f"of those found, by {n}": float((v[known] < limits[n]).mean()) for n, v in values.items()}}
        )  # fmt: skip
    table("elsewhere, with the same weights and thresholds", carried)
    if options.plot:
        options.plot.write_text(svg("Refusals of questions that look answerable", curves, marked), "utf-8")
    kept_weights = {name: whole.tolist() for name, whole in fits.items()}
    write("weigh_study", {"fits": kept_weights, "summary": summary, "elsewhere": carried, "curves": curves})


if __name__ == "__main__":
    main()
