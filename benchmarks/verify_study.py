"""Which verifier finds false sentences? `python benchmarks/verify_study.py MTRAG HANDBOOKS [--judge N]`.

True sentences are those of accepted answers with the passages that people judged relevant, and gold facts
with their part of a document; false ones are made of them by rule (`_false.py`). Questions are split in two:
weights and thresholds are chosen on one half, and everything that is printed is of the other. The threshold
is the one with the highest sum of the two recalls.
"""

import argparse
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
from _common import ROOT, table, write
from _false import KINDS, Sentence, false_of, true_of_answers, true_of_facts
from _logistic import Floats, area, fit_signed, parting, probability

from rag.encode import onnx as encoders
from rag.models import ModelStore
from rag.quotes import quotes
from rag.rerank import onnx as rerankers
from rag.verify.overlap import NAMES, carried, hold
from rag.verify.relevance import relevance

RERANKER, ENCODER = "ms-marco-MiniLM-L-12-v2-int8", "bge-small-en-v1.5-int8"
CUTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
FAR = time.monotonic() + 1e6


def drawn(true: Sequence[Sentence], each: int, seed: int) -> list[Sentence]:
    """The true sentences, and so many false ones of each kind."""
    false = list(false_of(true))
    draw = random.Random(seed)
    draw.shuffle(false)
    return [*true, *(one for kind in KINDS for one in [f for f in false if f.kind == kind][:each])]


def half(one: Sentence) -> bool:
    """True: of the half to choose on. A question's sentences are all of one half."""
    return random.Random(one.question.partition("<")[0]).random() < 0.5


def timed(work: Callable[[Sentence], object], data: Sequence[Sentence]) -> tuple[list[object], float]:
    began = time.perf_counter()
    found = [work(one) for one in data]
    return found, (time.perf_counter() - began) * 1000 / len(data)


def best(values: Sequence[float | None]) -> float:
    return max((value for value in values if value is not None), default=-12.0)


class Study:
    def __init__(self, data: Sequence[Sentence]) -> None:
        self.data = data
        self.first = np.array([half(one) for one in data])
        self.true = np.array([one.kind == "true" for one in data])
        self.kinds = np.array([one.kind for one in data])
        self.rows: list[dict[str, object]] = []

    def weights(self, where: Floats) -> Floats:
        """True and false weigh the same, and so does each kind of falsehood."""
        weight = np.zeros(len(self.data))
        for kind in ("true", *KINDS):
            these = (self.kinds == kind) & where
            weight[these] = (0.5 if kind == "true" else 0.5 / len(KINDS)) / max(int(these.sum()), 1)
        return weight[where]

    def fitted(self, features: Floats, sign: float) -> tuple[Floats, Floats]:
        """Weights from the first half; how likely each is true."""
        labels = self.true[self.first].astype(float)
        found = fit_signed(features[self.first], labels, self.weights(self.first), sign)
        return found, probability(found, features)

    def row(self, method: str, scores: Floats, ms: float, at: float = 0.0) -> float:
        threshold = at or parting(scores[self.first], self.true[self.first], self.weights(self.first))
        self.rows.append({"method": method, "threshold": threshold, **self.found(scores < threshold)})
        second = ~self.first
        self.rows[-1]["area"] = area(scores[second], self.true[second].astype(float))
        self.rows[-1]["ms"] = ms
        return threshold

    def found(self, flagged: Floats) -> dict[str, float]:
        """Of the second half; precision as if every second sentence were false, each kind as often."""
        second = ~self.first
        recalls = {kind: float(flagged[(self.kinds == kind) & second].mean()) for kind in KINDS}
        recall = float(np.mean(list(recalls.values())))
        wrong = float(flagged[self.true & second].mean())
        return {
            "unsupported: precision": recall / max(recall + wrong, 1e-9),
            "recall": recall,
            "supported: precision": (1 - wrong) / max(2 - wrong - recall, 1e-9),
            "its recall": 1 - wrong,
            **recalls,
        }


def judged(data: Sequence[Sentence], number: int, model: str) -> list[dict[str, object]]:
    """A language model's word on so many true and so many false sentences of the second half."""
    from rag.answers import Answer
    from rag.backends import Backends
    from rag.spec import VerifySpec
    from rag.verify import judge

    parts = Backends(_store().path)
    draw = random.Random(2)
    second = [one for one in data if not half(one)]
    rows = []
    verifier = judge.build(
        VerifySpec(backend="judge", model=model, threshold=0.5, budget_ms=60_000), parts._load
    )
    for kind in ("true", *KINDS):
        these = [one for one in second if one.kind == kind]
        some = draw.sample(these, min(len(these), number if kind == "true" else max(1, number // len(KINDS))))
        began = time.perf_counter()
        verdicts = []
        for one in some:
            markers = list(range(1, len(one.passages) + 1))
            answer = Answer(f"{one.text.rstrip('.')} {markers}.", (), "answered")
            checks = verifier.check(
                one.asked, answer, list(zip(markers, one.passages, strict=True)), deadline=FAR
            )
            verdicts.append([check.verdict for check in checks])
        ms = (time.perf_counter() - began) * 1000 / len(some)
        flagged = sum("unsupported" in v for v in verdicts) / len(some)
        rows.append({"kind": kind, "asked": len(some), "called unsupported": flagged, "ms": ms})
    return rows


def _store() -> ModelStore:
    return ModelStore(Path(os.environ.get("SIEVE_MODEL_DIR") or ROOT / "var" / "models"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=Path, help="folder with answers.jsonl and human_pairs.jsonl")
    parser.add_argument("facts", type=Path, help="folder whose questions carry the facts that answer them")
    parser.add_argument("--each", type=int, default=120, help="false sentences of each kind and folder")
    parser.add_argument("--no-models", action="store_true")
    parser.add_argument("--judge", type=int, default=0, metavar="N")
    parser.add_argument("--judge-model", default="qwen2.5-coder-1.5b-instruct-q4_k_m")
    options = parser.parse_args()
    written: dict[str, object] = {}
    sets = {"answers": true_of_answers(options.answers), "facts": true_of_facts(options.facts, options.each)}
    draw = random.Random(1)
    sets = {name: draw.sample(true, min(len(true), 4 * options.each)) for name, true in sets.items()}
    both = {name: drawn(true, options.each, 1) for name, true in sets.items()}
    data = both["answers"]
    if options.judge:
        written["judge"] = judged(data, options.judge, options.judge_model)
        table(f"a language model as judge ({options.judge_model})", written["judge"])  # type: ignore[arg-type]
        write("verify_study_judge", written)
        return

    held, held_ms = timed(lambda one: hold(one.text, one.passages), data)
    features = np.array([astuple(one.features) for one in held])  # type: ignore[attr-defined]
    study = Study(data)
    study.row("words", -features[:, 0], held_ms)
    study.row("words and numbers", -features[:, 0] - 10 * features[:, 3], held_ms)
    found, scores = study.fitted(features, -1.0)
    threshold = study.row("overlap", scores, held_ms)
    scores = np.array([carried(one.features) for one in held])  # type: ignore[attr-defined]
    study.row("overlap, as it is built", scores, held_ms, 0.5)
    by_threshold = [{"threshold": t, **study.found(scores < t)} for t in CUTS]
    print("overlap:", dict(zip(("bias", *NAMES), found.round(2).tolist(), strict=True)), "at", threshold)
    written["overlap"] = {"weights": found.tolist(), "threshold": threshold}

    if not options.no_models:
        store = _store()
        reranker = rerankers.load(RERANKER, store.path(RERANKER))
        encoder = encoders.load(ENCODER, store.path(ENCODER))
        logits, logit_ms = timed(lambda one: best(relevance(reranker, one.text, one.passages, FAR)), data)
        logit = np.array(logits, float)
        study.row("relevance", logit, logit_ms)

        def near(one: Sentence) -> float:
            read = [quote.read for quote in quotes(one.passages)]
            rows = encoder.encode_passages([one.text, *read]).vectors
            return float((rows[1:] @ rows[0]).max())

        cosines, cosine_ms = timed(near, data)
        cosine = np.array(cosines, float)
        study.row("similarity", cosine, cosine_ms)
        more = np.column_stack([features, -logit / 10, -cosine * 10])
        for name, columns, ms in (
            ("overlap and relevance", [*range(len(NAMES)), len(NAMES)], held_ms + logit_ms),
            ("all three", list(range(len(NAMES) + 2)), held_ms + logit_ms + cosine_ms),
        ):
            weights, scores = study.fitted(more[:, columns], -1.0)
            written[name] = {"weights": weights.tolist(), "threshold": study.row(name, scores, ms)}
    table(f"answers: {len(data)} sentences, {int(study.true.sum())} true", study.rows)
    table("overlap on the answers, by threshold", by_threshold)
    written |= {"answers": study.rows, "by_threshold": by_threshold}

    other = Study(both["facts"])
    held, held_ms = timed(lambda one: hold(one.text, one.passages), both["facts"])
    features = np.array([astuple(one.features) for one in held])  # type: ignore[attr-defined]
    other.first[:] = False
    scores = np.array([carried(one.features) for one in held])  # type: ignore[attr-defined]
    transferred = [{"threshold": t, **other.found(scores < t)} for t in CUTS]
    table(
        f"overlap on the facts, weights as above: {len(both['facts'])} sentences, "
        f"{int(other.true.sum())} true, {held_ms:.1f} ms each",
        transferred,
    )
    written["facts"] = transferred
    write("verify_study", written)


if __name__ == "__main__":
    main()
