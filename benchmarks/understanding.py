"""What does understanding a question bring? `python benchmarks/understanding.py WHAT DIR [DIR …]`.

`rewrite`: DIR has conversations (ids `conversation<::>turn` and `metadata.lastturn`, as MTRAG). Later turns
as typed, rewritten by the rule, by `--model` if given, and by people; the history is what was understood.
`alone`: how many questions the rule rewrites that follow a random other one, and so stand alone.
`phrases`: questions with quotation marks, without and with them. `expand`: with more texts by `--model`.
Measured is the fusion of both legs, before any reranking. Indexes are kept between runs.
"""

import argparse
import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from _common import percentiles, table
from _judged import data, opened

from rag import evaluate, phrases
from rag.backends import Backends
from rag.clock import Clock
from rag.errors import GenerationUnavailable
from rag.events import Ranked
from rag.fuse import fuse
from rag.measures import ndcg, recall
from rag.models import ModelStore
from rag.retrieve import Retrieval, permit_all
from rag.rewrite.rule import RuleRewriter
from rag.spec import ExpandSpec, RewriteSpec
from rag.types import Expansion, Query

LATER = 5


@dataclass
class Measured:
    """Means by name of a way."""

    values: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def show(self, title: str) -> None:
        rows = [
            {
                "": name,
                "n": len(v),
                "nDCG@10": round(sum(a for a, _ in v) / len(v), 4),
                "R@100": round(sum(b for _, b in v) / len(v), 4),
            }
            for name, v in self.values.items()
        ]
        table(title, rows)


class Collection:
    def __init__(self, folder: Path, kept: Path) -> None:
        self.folder = folder
        self.judged, self.documents, self.pipeline = opened(folder, kept)

    def measure(
        self, qid: str, text: str, expansion: Expansion | None = None, quoted: bool = False
    ) -> tuple[float, float]:
        spec = msgspec.structs.replace(self.pipeline.spec.fuse, phrases=quoted)
        of = Retrieval(spec=spec, encoder=self.pipeline.encoder, index=self.pipeline.index)
        query = Query(id=qid, text=text, collections=(evaluate.COLLECTION,))
        found = [e.ranking for e in of.run(query, expansion, permit_all, Clock()) if isinstance(e, Ranked)]
        order = fuse(found, spec.method, {"bm25": spec.bm25, "knn": spec.knn}).passages
        run = list(dict.fromkeys(self.documents[p.document_id] for p in order))
        return ndcg(run, self.judged.qrels[qid]), recall(run, self.judged.qrels[qid])


def rewrite(options: argparse.Namespace, parts: Backends) -> None:
    ways: dict[str, Callable[[str, list[str]], str]] = {"as typed": lambda typed, history: typed}
    makers = {"by rule": RuleRewriter()}
    if options.model:
        spec = RewriteSpec(backend="llm", model=options.model, budget_ms=60_000)
        makers[f"by {options.model}"] = parts.part("rewrite", spec)
    seconds: list[float] = []
    for name, maker in makers.items():

        def understood(typed: str, history: list[str], maker=maker) -> str:  # type: ignore[no-untyped-def]
            began = time.perf_counter()
            made = maker.rewrite(typed, history[-LATER:], deadline=time.monotonic() + 60) if history else None
            seconds.append(time.perf_counter() - began)
            return made.question if made else typed

        ways[name] = understood
    for folder in options.folders:
        at = Collection(folder, options.kept)
        turns: dict[str, list[tuple[int, str, str, str]]] = defaultdict(list)
        for line in (folder / "queries.jsonl").open(encoding="utf-8"):
            row = json.loads(line)
            conversation, turn = row["_id"].split("<::>")
            turns[conversation].append((int(turn), row["_id"], row["metadata"]["lastturn"], row["text"]))
        chosen = [sorted(turns[name]) for name in sorted(turns)][: options.conversations or None]
        every, acted = Measured(), Measured()
        for conversation_turns in chosen:
            histories: dict[str, list[str]] = {name: [] for name in ways}
            for _, qid, typed, by_people in conversation_turns:
                asked = {name: way(typed, histories[name]) for name, way in ways.items()}
                asked["by people"] = by_people
                if histories["as typed"] and any(at.judged.qrels.get(qid, {}).values()):
                    for name, text in asked.items():
                        value = at.measure(qid, text)
                        every.values[name].append(value)
                        if asked["by rule"] != typed:
                            acted.values[name].append(value)
                for name in ways:
                    histories[name].append(asked[name])
        every.show(f"{folder.name}: later turns")
        acted.show(f"{folder.name}: those that the rule rewrites")
    if options.model:
        print("seconds a question, all makers:", percentiles(seconds[len(seconds) // 2 :]))


def alone(options: argparse.Namespace, parts: Backends) -> None:
    rows = []
    for folder in options.folders:
        texts = [json.loads(line)["text"] for line in (folder / "queries.jsonl").open(encoding="utf-8")]
        draw, rule = random.Random(1), RuleRewriter()
        made = [q for q in texts if rule.rewrite(q, [draw.choice(texts)], deadline=math.inf)]
        rows.append({"": folder.name, "questions": len(texts), "rewritten": len(made)})
        for question in draw.sample(made, min(options.show, len(made))):
            print("   ", question)
    table("Questions that follow a random other one", rows)


def quoted(options: argparse.Namespace, parts: Backends) -> None:
    for folder in options.folders:
        at, measured = Collection(folder, options.kept), Measured()
        asked = at.judged.sample(None)
        some = [(qid, text) for qid, text in asked if phrases.quoted(text)]
        for qid, text in some:
            measured.values["marks are nothing"].append(at.measure(qid, text))
            measured.values["word for word"].append(at.measure(qid, text, quoted=True))
        before, after = measured.values["marks are nothing"], measured.values["word for word"]
        worse = sum(b < a for (a, _), (b, _) in zip(before, after, strict=True))
        measured.show(f"{folder.name}: {len(some)} of {len(asked)} questions have phrases, {worse} worse")


def expand(options: argparse.Namespace, parts: Backends) -> None:
    made = {
        method: parts.part(
            "expand", ExpandSpec(backend=method, model=options.model, number=number, budget_ms=60_000)
        )
        for method, number in (("multi_query", 3), ("hyde", 1))
    }
    for folder in options.folders:
        at, measured, seconds = Collection(folder, options.kept), Measured(), defaultdict(list)
        for qid, text in at.judged.sample(options.limit):
            measured.values["alone"].append(at.measure(qid, text))
            for method, expander in made.items():
                began = time.perf_counter()
                try:
                    expansion = expander.expand(text, deadline=time.monotonic() + 60)
                except GenerationUnavailable as error:
                    print(f"{method}: {error}")
                    expansion = None
                seconds[method].append(time.perf_counter() - began)
                measured.values[method].append(at.measure(qid, text, expansion))
        measured.show(f"{folder.name}")
        print("seconds:", {method: percentiles(values) for method, values in seconds.items()}, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--model", default="", help="a chat model of the store, or service/model")
    parser.add_argument("--limit", type=int, default=40, help="questions of each that are expanded")
    parser.add_argument("--conversations", type=int, default=0, help="only so many; 0: all")
    parser.add_argument("--show", type=int, default=0, help="rewritten questions that are printed")
    parser.add_argument("--kept", type=Path, default=data() / "bench", metavar="FOLDER")
    options = parser.parse_args()
    WHAT[options.what](options, Backends(ModelStore(data() / "models").path))


WHAT = {"rewrite": rewrite, "alone": alone, "phrases": quoted, "expand": expand}

if __name__ == "__main__":
    main()
