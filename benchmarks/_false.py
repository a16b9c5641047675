"""True sentences with what they cite, and false ones made from them by rule."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.sentences import sentences
from rag.types import Passage
from rag.verify.claims import _TELLS_NOTHING
from rag.verify.facts import names

KINDS = ("number", "unit or date", "negation", "name of the passage", "name of another", "other passage")
_MONTHS = re.findall(
    r"\w+", "January February March April May June July August September October November December"
)
_SHIFTS = {
    "million": "billion", "billion": "million", "thousand": "million", "hundred": "thousand", "km": "miles",
    "kilometres": "miles", "miles": "kilometres", "feet": "metres", "metres": "feet", "meters": "feet",
    "days": "weeks", "weeks": "months", "months": "years", "years": "months", "hours": "days",
    "minutes": "hours", "seconds": "minutes", "day": "week", "week": "month", "month": "year", "hour": "day",
    "percent": "per mille", "%": " per mille", "pounds": "ounces", "BC": "AD", "century": "decade",
    **dict(zip(_MONTHS, _MONTHS[5:] + _MONTHS[:5], strict=True)),
}  # fmt: skip
_VERB = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|may|must|should)\b(?! not\b|n't)")
_DENIED = re.compile(
    r"\b(is|are|was|were|has|have|had|can|could|will|would|may|must|should|do|does|did) not\b"
)
_DIGITS = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\w])|(?<![\w.,])\d+(?!\w)")


@dataclass(frozen=True, slots=True)
class Sentence:
    question: str
    """Its id: what the halves are split by."""
    asked: str
    text: str
    passages: tuple[Passage, ...]
    kind: str
    """`true`, or one of `KINDS`."""


def _passage(name: str, title: str, text: str) -> Passage:
    return Passage(
        id=f"{name}:1:0", document_id=name, version=1, position=0, collection="study", title=title,
        headings=(), text=text, span=(0, len(text)), page=None, tokens=0,
    )  # fmt: skip


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def true_of_answers(folder: Path) -> list[Sentence]:
    """Sentences of the accepted answers; they cite the passages that people judged relevant."""
    corpus = {
        row["_id"]: _passage(row["_id"], row["title"], row["text"]) for row in _lines(folder / "corpus.jsonl")
    }
    relevant = {(r["task_id"], r["doc_id"]) for r in _lines(folder / "human_pairs.jsonl") if r["relevant"]}
    found = []
    for row in _lines(folder / "answers.jsonl"):
        if row["enrichments"]["Answerability"][0] != "ANSWERABLE":
            continue
        cited = [c for c in row["contexts"] if (row["_id"], c) in relevant] or row["contexts"]
        passages = tuple(corpus[c] for c in cited)
        for start, end in sentences(row["answer"]):
            text = row["answer"][start:end]
            if len(text.split()) >= 5 and not text.endswith((":", "?")) and not _TELLS_NOTHING.search(text):
                found.append(Sentence(row["_id"], row["question"], text, passages, "true"))
    return found


def true_of_facts(folder: Path, limit: int) -> list[Sentence]:
    """Supporting facts of the questions; each cites the part of its document that shares most with it."""
    texts: dict[str, str] = {}
    for row in _lines(folder / "corpus.jsonl"):
        texts[row["_id"].rpartition("/")[2].strip()] = row["text"]
    found = []
    for row in _lines(folder / "queries.jsonl"):
        for fact in row["metadata"].get("facts", [])[:1]:
            whole, text = texts.get(fact["filename"].strip(), ""), " ".join(fact["text"].split())
            words = set(re.findall(r"\w+", text.casefold()))
            parts = [whole[at : at + 1200] for at in range(0, len(whole), 900)]
            if len(words) < 6 or not parts:
                continue
            best = max(parts, key=lambda part: len(words & set(re.findall(r"\w+", part.casefold()))))
            if len(words & set(re.findall(r"\w+", best.casefold()))) >= 0.9 * len(words):
                name = fact["filename"].removesuffix(".md")
                found.append(Sentence(row["_id"], row["text"], text, (_passage(name, name, best),), "true"))
    return found[:: max(1, len(found) // limit)][:limit]


def false_of(true: Sequence[Sentence], seed: int = 1) -> Iterator[Sentence]:
    """For each true sentence the false ones that can be made of it, at most one of each kind."""
    draw = random.Random(seed)
    by_title: dict[str, list[Passage]] = {}
    for passage in {p.id: p for one in true for p in one.passages}.values():
        by_title.setdefault(passage.title, []).append(passage)
    others = [name for one in true for name in names(one.text) if len(name) > 3]
    for one in true:
        read = " ".join(p.search_text for p in one.passages)
        for kind in KINDS:
            made = _made(kind, one, read, by_title, others, draw)
            if made is not None and made[0].strip():
                yield Sentence(one.question, one.asked, made[0], made[1], kind)


def _made(
    kind: str,
    one: Sentence,
    read: str,
    by_title: dict[str, list[Passage]],
    others: Sequence[str],
    draw: random.Random,
) -> tuple[str, tuple[Passage, ...]] | None:
    text = one.text
    if kind == "number":
        digits = list(_DIGITS.finditer(text))
        if not digits:
            return None
        match = draw.choice(digits)
        value = int(match[0].replace(",", ""))
        away = draw.choice((1, 2, 3, 7, 10)) if value < 2100 else value // 3 + 1
        new = f"{value + away:,}" if "," in match[0] else str(value + away)
        return text[: match.start()] + new + text[match.end() :], one.passages
    if kind == "unit or date":
        shifts = [m for m in re.finditer(r"%|\b\w+\b", text) if m[0] in _SHIFTS and (m[0] != "May")]
        if not shifts:
            return None
        match = draw.choice(shifts)
        return text[: match.start()] + _SHIFTS[match[0]] + text[match.end() :], one.passages
    if kind == "negation":
        if denied := _DENIED.search(text):
            return text[: denied.start()] + denied[1] + text[denied.end() :], one.passages
        verb = _VERB.search(text)
        return (text[: verb.end()] + " not" + text[verb.end() :], one.passages) if verb else None
    mine = [name for name in dict.fromkeys(names(text)) if len(name) > 3]
    if kind in ("name of the passage", "name of another"):
        if kind == "name of the passage":
            pool = [n for n in dict.fromkeys(names(read)) if len(n) > 3 and n not in text]
        else:
            pool = [name for name in others if name not in read and name not in text]
        if not mine or not pool:
            return None
        new = draw.choice(pool)
        return re.sub(rf"\b{re.escape(draw.choice(mine))}\b", lambda _: new, text), one.passages
    same = [
        p
        for passage in one.passages
        for p in by_title.get(passage.title, [])
        if p.id not in {q.id for q in one.passages}
    ]
    if not same:
        every = [p for title in by_title.values() for p in title if p.id not in {q.id for q in one.passages}]
        same = every
    return text, (draw.choice(same),)
