"""Two traces of a question side by side: what was changed, where the orders part, who moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag.trace import Trace
from rag.types import STAGES, Passage
from search_app.pages import waterfall
from search_app.pages.compare_chart import draw
from search_app.pages.links import answer_url, document_url, trace_url
from search_app.pages.said import answer_text
from search_app.pages.spent import BEFORE
from search_app.pages.trace_words import answer_said, rerank_said, searched_said
from search_app.pages.words import STAGE_NAMES, milliseconds, path_of, place_of, shorten
from search_app.selectors import StoredTrace

TOP = 10
"""Ranks of the final orders that are held against each other."""

ANSWER = 600
"""Characters of an answer beside another one."""

Key = tuple[str, str]
"""A passage in both traces: its document and its text, since its id changes with the version."""


@dataclass(frozen=True, slots=True)
class Move:
    """A passage in the final order of both; a rank is None where it was not among the candidates."""

    title: str
    where: str
    url: str
    before: int | None
    after: int | None
    was: str
    """`cited`, `used` or nothing."""
    now: str

    @property
    def up(self) -> int | None:
        """Places gained; negative: lost."""
        return self.before - self.after if self.before and self.after else None

    @property
    def down(self) -> int:
        return -(self.up or 0)


@dataclass(frozen=True, slots=True)
class StageRow:
    """How far two rankings of a stage agree. A count is None where the stage did not run."""

    name: str
    before: int | None
    after: int | None
    common: int
    top_common: int
    top: int
    same: bool


def key(passage: Passage) -> Key:
    return (passage.document_id, passage.text or passage.id)


def compare_context(old: StoredTrace, new: StoredTrace) -> dict[str, Any]:
    """What `trace/compare.html` shows; `old` is the one asked first."""
    a, b = old.trace, new.trace
    rows = stages(a, b)
    moves_, kept = moves(a, b), same_top(a, b)
    return {
        "question": b.query.text,
        "sides": [_side("Before", old), _side("After", new)],
        "same_question": a.query.text == b.query.text,
        "changes": changes(a, b),
        "stages": rows,
        "parts_at": next((row.name for row in rows if not row.same), ""),
        "moves": moves_,
        "kept": kept,
        "top": TOP,
        "same_citations": _cited(a) == _cited(b),
        "same_text": answer_text(a) == answer_text(b),
        "chart": draw([(m.title, m.before, m.after) for m in moves_]),
        "times": times(a, b),
    }


def _side(name: str, stored: StoredTrace) -> dict[str, Any]:
    record, trace = stored.record, stored.trace
    return {
        "name": name,
        "created": record.created,
        "user": record.user.get_username() if record.user else "",
        "url": trace_url(record.pk),
        "answer_url": answer_url(record.pk),
        "pipeline": trace.pipeline,
        "fingerprint": trace.fingerprint,
        "index_version": trace.index_version,
        "total": milliseconds(trace.total_ms),
        "readable": trace.readable,
        "rerank": rerank_said(trace),
        "searched": searched_said(trace),
        "answer": answer_said(trace, gone=stored.gone),
        "understood": trace.rewriting.question if trace.rewriting else "",
        "text": shorten(answer_text(trace), ANSWER),
        "degraded": trace.degraded,
    }


def changes(old: Trace, new: Trace) -> list[str]:
    """What could have made the difference, one sentence each."""
    said = []
    if old.query.collections != new.query.collections:
        said.append(f"asked of {_list(new.query.collections)}, was {_list(old.query.collections)}")
    if old.question != new.question and old.query.text == new.query.text:
        said.append(f"understood as “{new.question}”, was “{old.question}”")
    if old.readable != new.readable:
        said.append(f"{new.readable:,} passages to search, were {old.readable:,}")
    if old.index_version != new.index_version:
        said.append(f"index {new.index_version}, was {old.index_version}")
    return said + _spec_changes(old.spec, new.spec)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"


def _spec_changes(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> list[str]:
    said: list[str] = []
    for name in dict.fromkeys([*old, *new]):
        was, now = _named(old.get(name)), _named(new.get(name))
        if was == now:
            continue
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            said += _spec_changes(was, now, f"{above}{name}.")
        elif was is None:
            said.append(f"{above}{name} is new")
        elif now is None:
            said.append(f"{above}{name} is left out")
        else:
            said.append(f"{above}{name} is {now}, was {was}")
    return said


def _named(value: Any) -> Any:
    """The stages before the last one by their names; all else as it is."""
    stages = isinstance(value, list | tuple) and all(isinstance(one, Mapping) for one in value)
    return dict(zip(BEFORE, value, strict=False)) if stages else value


def stages(old: Trace, new: Trace) -> list[StageRow]:
    """The stages that ran in one of them, in the order of the path."""
    rows = []
    for stage in STAGES:
        a, b = old.ranking(stage), new.ranking(stage)
        if a is None and b is None:
            continue
        before = [key(p) for p in a.passages] if a else []
        after = [key(p) for p in b.passages] if b else []
        top = min(TOP, max(len(before), len(after)))
        rows.append(
            StageRow(
                STAGE_NAMES[stage],
                None if a is None else len(before),
                None if b is None else len(after),
                len(set(before) & set(after)),
                len(set(before[:TOP]) & set(after[:TOP])),
                top,
                before == after and (a is None) == (b is None),
            )
        )
    return rows


def moves(old: Trace, new: Trace) -> list[Move]:
    """Passages among the first `TOP` of either final order, or used in either answer; in the newer order."""
    before = {key(c.passage): rank for rank, c in enumerate(old.final, start=1)}
    after = {key(c.passage): rank for rank, c in enumerate(new.final, start=1)}
    passages = {key(c.passage): c.passage for c in (*old.final, *new.final)}
    was, now = _fates(old), _fates(new)
    last = len(passages) + 1
    wanted = [
        k for k in passages if min(before.get(k, last), after.get(k, last)) <= TOP or k in was or k in now
    ]
    wanted.sort(key=lambda k: (after.get(k, last), before.get(k, last)))
    return [
        Move(
            passages[k].title or passages[k].id,
            " · ".join(filter(None, (path_of(passages[k]), passages[k].collection, place_of(passages[k])))),
            document_url(passages[k]),
            before.get(k),
            after.get(k),
            was.get(k, ""),
            now.get(k, ""),
        )
        for k in wanted
    ]


def same_top(old: Trace, new: Trace) -> int:
    """How many of the first `TOP` are the same passages."""
    first = {key(c.passage) for c in old.final[:TOP]}
    return len(first & {key(c.passage) for c in new.final[:TOP]})


def _fates(trace: Trace) -> dict[Key, str]:
    passages, cited = trace.passages, _cited_ids(trace)
    return {
        key(passages[c.passage_id]): "cited" if c.passage_id in cited else "used"
        for c in trace.context
        if c.passage_id in passages
    }


def _cited_ids(trace: Trace) -> set[str]:
    return {c.passage_id for c in trace.answer.citations} if trace.answer else set()


def _cited(trace: Trace) -> set[Key]:
    passages = trace.passages
    return {key(passages[pid]) for pid in _cited_ids(trace) if pid in passages}


def times(old: Trace, new: Trace) -> list[dict[str, str]]:
    """Milliseconds of each step in both."""
    a = {bar.step: bar for bar in waterfall.bars(old)}
    b = {bar.step: bar for bar in waterfall.bars(new)}
    rows = []
    for step in dict.fromkeys([*a, *b]):
        was, now = a.get(step), b.get(step)
        rows.append(
            {
                "name": (now or was).name,  # type: ignore[union-attr]
                "before": milliseconds(was.elapsed) if was else "–",
                "after": milliseconds(now.elapsed) if now else "–",
                "waited": milliseconds(now.waited) if now and now.waited >= waterfall.WORTH_SAYING else "–",
            }
        )
    return rows
