"""What a judged collection says of right answers, read from the files that such collections bring.

In `queries.jsonl`, under `metadata`: `answers`, short texts of which one must stand in the answer;
`facts`, objects with a `text` that the answer must say; `is_impossible`, true where the documents do not
answer. Beside it `answers.jsonl` {_id, answer, enrichments.Answerability}: a whole answer of a person.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARTICLES = frozenset(("a", "an", "the"))
_SMALL = """
    and or of in on at to for from by with as is are was were be been it its this that these those which who
    what when where how their his her they he she we you i not no do does did has have had can may will would
    also than then there into such
"""
SMALL = ARTICLES | frozenset(re.findall(r"\w+", _SMALL))
"""Words that say nothing of their own, when it is counted how much of a sentence an answer has."""
ENOUGH = 0.6
"""A longer gold text counts as said when so much of its words stand in the answer."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What is known of one question's right answer."""

    answerable: bool
    short: tuple[str, ...] = ()
    """Any of these, word for word."""
    long: tuple[str, ...] = ()
    """All of these, in whatever words."""

    def said(self, answer: str) -> float | None:
        """Share of the gold that an answer says, 0 to 1; None where nothing of it is known.

        A short text is said when its words stand in the answer in a row (Rajpurkar et al. 2016: lower case,
        no punctuation, no articles); a long one when enough of its words do anywhere.
        """
        words = _words(answer)
        if self.short:
            line = f" {' '.join(w for w in words if w not in ARTICLES)} "
            wanted = (" ".join(w for w in _words(one) if w not in ARTICLES) for one in self.short)
            return float(any(f" {one} " in line for one in wanted if one))
        if self.long:
            return sum(coverage(one, answer) >= ENOUGH for one in self.long) / len(self.long)
        return None


def coverage(gold: str, answer: str) -> float:
    """Share of the words of a gold text, small ones aside, that stand in an answer."""
    have = set(_words(answer))
    wanted = [word for word in _words(gold) if word not in SMALL]
    return sum(word in have for word in wanted) / len(wanted) if wanted else 0.0


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"\w+", re.sub(r"(?<=\d),(?=\d{3})", "", plain))


def read(folder: Path) -> dict[str, Gold]:
    """Question id → its gold, for the questions that have one; in file order."""
    references = {row["_id"]: row for row in _rows(folder / "answers.jsonl")}
    found: dict[str, Gold] = {}
    for row in _rows(folder / "queries.jsonl"):
        of = row.get("metadata") or {}
        reference = references.get(row["_id"])
        if "is_impossible" in of or of.get("answers"):
            impossible = bool(of.get("is_impossible"))
            found[row["_id"]] = Gold(not impossible, () if impossible else tuple(of.get("answers", ())))
        elif of.get("facts"):
            found[row["_id"]] = Gold(True, long=tuple(fact["text"] for fact in of["facts"]))
        elif reference is not None:
            answerable = "UNANSWERABLE" not in reference.get("enrichments", {}).get("Answerability", ())
            found[row["_id"]] = Gold(answerable, long=(reference["answer"],) if answerable else ())
    return found


def sample(gold: dict[str, Gold], limit: int | None) -> list[str]:
    """At most `limit` question ids, evenly spread; half of them unanswerable where there are enough."""
    kinds: Sequence[list[str]] = [
        [qid for qid, one in gold.items() if one.answerable is kind] for kind in (True, False)
    ]
    if limit is None:
        return list(gold)
    hard = min(len(kinds[1]), limit // 2)
    chosen = {*_spread(kinds[0], limit - hard), *_spread(kinds[1], hard)}
    return [qid for qid in gold if qid in chosen]


def _spread(ids: list[str], limit: int) -> list[str]:
    return ids if limit >= len(ids) else [ids[i * len(ids) // limit] for i in range(limit)]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())
