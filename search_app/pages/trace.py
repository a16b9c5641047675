"""Everything that the page of a trace shows, as plain values for its template."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rag.trace import Trace
from rag.types import NOTHING_SPENT
from search_app.pages import rank_chart, rank_lines, spent, trace_table, waterfall
from search_app.pages.handed import handed_over
from search_app.pages.links import answer_url
from search_app.pages.said import checked
from search_app.pages.trace_words import answer_said, rerank_said, searched_said
from search_app.pages.words import STAGE_NAMES, count, dollars, milliseconds
from search_app.pages.written import how_written

ROWS_FIRST = 20
"""Rows shown before the reader asks for all."""


def trace_context(
    trace: Trace,
    *,
    created: datetime,
    username: str,
    texts_visible: bool = True,
    trace_id: object = None,
    gone: bool = False,
    as_username: str = "",
    feedback: Sequence[object] = (),
    others: Sequence[object] = (),
) -> dict[str, Any]:
    """The context of `trace/page.html`. Without `texts_visible` passages appear by id only.

    `gone`: the answer saw a document that is deleted now. `as_username`: with whose rights it was asked.
    `feedback` are rows of what people said of it, `others` rows of traces to compare it with.
    """
    limit = waterfall.budget(trace)
    fate = dict(rank_lines.legend(trace))
    rows = trace_table.rows(trace, texts_visible=texts_visible)
    return {
        "trace": trace,
        "trace_id": trace_id,
        "created": created,
        "username": username,
        "as_username": as_username,
        "gone": gone,
        "feedback": feedback,
        "others": others,
        "question": trace.query.text,
        "understood": trace.rewriting.question if trace.rewriting and texts_visible else "",
        "written": how_written(trace, texts_visible=texts_visible),
        "doubted": any(check.verdict == "unsupported" for check in checked(trace)),
        "collections": trace.query.collections,
        "pipeline": trace.pipeline,
        "fingerprint": trace.fingerprint,
        "index_version": trace.index_version,
        "refused": trace.refused,
        "degraded": trace.degraded,
        "rerank": trace.rerank,
        "rerank_said": rerank_said(trace),
        "searched_said": searched_said(trace),
        "answer_said": answer_said(trace, gone=gone),
        "answer_url": answer_url(trace_id) if trace_id and texts_visible and trace.index_version else "",
        "tiles": tiles(trace),
        "waterfall": waterfall.draw(trace),
        "waterfall_narrow": waterfall.draw(trace, narrow=True),
        "times": _times(trace),
        "between": milliseconds(waterfall.between(trace)),
        "total": milliseconds(trace.total_ms),
        "cost": spent.table(trace),
        "budget": limit and {"allowed": milliseconds(limit.allowed), "ends": milliseconds(limit.ends)},
        "budget_unused": bool(limit and limit.ends > 1.5 * max(trace.total_ms, 1.0)),
        "rank_chart": rank_chart.draw(trace, texts_visible=texts_visible),
        "rank_chart_narrow": rank_chart.draw(trace, texts_visible=texts_visible, narrow=True),
        "ways": rank_chart.ways(trace, texts_visible=texts_visible),
        "handed": handed_over(trace) if texts_visible else None,
        "fates": fate,
        "top": rank_lines.cutoff(trace),
        "used": len(trace.context),
        "stage_heads": trace_table.heads(trace),
        "rows": rows,
        "rows_first": ROWS_FIRST,
        "rows_deep": len(rows) > ROWS_FIRST + 10,
        "left_out": [(skip.stage, skip.reason) for skip in trace.skipped],
        "in_part": [(STAGE_NAMES.get(stage, stage), reason) for stage, reason in trace.partial.items()],
        "spec_json": json.dumps(_plain(trace.spec), indent=2, ensure_ascii=False, default=str),
        "texts_visible": texts_visible,
    }


def tiles(trace: Trace) -> list[tuple[str, str]]:
    """The headline numbers: what it is and, in a few words, what was counted."""
    result = [(milliseconds(trace.total_ms), _first(trace))]
    fate, top, voice = dict(rank_lines.legend(trace)), rank_lines.cutoff(trace), spent.voice(trace)
    if trace.ranking("fused") and len(trace.rankings) > 1:
        said = f"{'passage' if fate['rose'] == 1 else 'passages'} brought into the top {top} after fusion"
        result.append((f"+{fate['rose']}", said))
    scored = next((b for b in waterfall.bars(trace) if b.step == "reranked"), None)
    if scored and trace.ranking("reranked"):
        waited = (
            f", {milliseconds(scored.waited)} of it waiting"
            if scored.waited >= waterfall.WORTH_SAYING
            else ""
        )
        result.append((milliseconds(scored.elapsed), f"in the {voice}{waited}"))
    status = trace.rerank
    if status.status in ("applied", "partial"):
        kept = trace.spent.get("reranked", NOTHING_SPENT).cached
        said = f"candidates scored by the {voice}{f', {kept:,} from the cache' if kept else ''}"
        result.append((f"{status.scored:,} / {status.asked:,}", said))
    elif status.status == "fallback":
        result.append(("0", f"candidates scored: the {voice} was left out"))
    if usd := sum(cost.usd for cost in trace.spent.values()):
        result.append((dollars(usd), "paid for reranking"))
    if trace.usage and trace.usage.completion_tokens:
        used = f"{trace.usage.prompt_tokens:,} / {trace.usage.completion_tokens:,}"
        result.append((used, "prompt and answer tokens"))
    elif trace.context:
        cited = len({c.passage_id for c in trace.answer.citations}) if trace.answer else 0
        tokens = sum(c.tokens for c in trace.context)
        result.append(
            (f"{len(trace.context)} / {cited}", f"passages used and cited, {count(tokens, 'token')}")
        )
    return result


def _first(trace: Trace) -> str:
    packed = next((t for t in trace.timings if t.step == "pack"), None)
    if trace.first_ms is not None:
        began = next((t.started_ms for t in trace.timings if t.step == "generate"), 0.0)
        return f"in all, first words after {milliseconds(began + trace.first_ms)}"
    if packed:
        return f"in all, passages after {milliseconds(packed.started_ms + packed.elapsed_ms)}"
    return "in all"


def _times(trace: Trace) -> list[dict[str, str]]:
    return [
        {
            "name": bar.name,
            "started": milliseconds(bar.started),
            "elapsed": milliseconds(bar.elapsed),
            "waited": milliseconds(bar.waited) if bar.waited >= waterfall.WORTH_SAYING else "–",
            "share": f"{100 * bar.elapsed / trace.total_ms:.0f} %" if trace.total_ms else "–",
        }
        for bar in waterfall.bars(trace)
    ]


def _plain(value: object) -> object:
    return {str(k): _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value
