"""`manage.py evaluate --answers`: the part of the command that measures what is written."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from rag import answer_gold, evaluate_answers
from rag.evaluate import Judged
from rag.evaluate_answers import ROWS, AnswerReport, Judgement
from rag.pipeline import Pipeline
from rag.trace import Trace
from search_app.management.base import table

Progress = Callable[[Iterable[tuple[str, str]]], Iterable[tuple[str, str]]]


def measure(
    pipeline: Pipeline,
    judged: Judged,
    documents: Mapping[str, str],
    *,
    limit: int | None,
    keep: Path | None,
    progress: Progress,
) -> AnswerReport:
    """Ask, and judge the answers. Each is written to `keep`, a line of JSON, as soon as it is there.

    Raises `CommandError` where the collection knows no right answers, or the pipeline writes none.
    """
    gold = answer_gold.read(judged.folder)
    if not gold:
        raise CommandError(
            f"{judged.folder.name} has no right answers: queries.jsonl needs `answers`, `facts` or "
            "`is_impossible` in its metadata, or answers.jsonl lies beside it."
        )
    if pipeline.spec.generate is None or pipeline.generator is None:
        raise CommandError(f"The pipeline {pipeline.name} writes no answers on this machine.")
    asked = [(qid, judged.queries[qid]) for qid in answer_gold.sample(gold, limit)]
    if keep is not None:
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.write_text("", "utf-8")

    def seen(trace: Trace, judgement: Judgement) -> None:
        if keep is not None:
            with keep.open("a", encoding="utf-8") as out:
                out.write(json.dumps(_line(trace, judgement), ensure_ascii=False) + "\n")

    found = evaluate_answers.measure(pipeline.answer, progress(asked), gold, judged.qrels, documents, seen)
    return evaluate_answers.report(pipeline.name, pipeline.spec.fingerprint, found)


def _line(trace: Trace, judgement: Judgement) -> dict[str, Any]:
    return {
        "question": trace.query.text,
        "id": judgement.question,
        "answerable": judgement.answerable,
        "finish_reason": judgement.finish_reason,
        "answer": trace.answer.text if trace.answer else None,
        "said": judgement.said,
        "confidence": trace.confidence.value if trace.confidence else None,
        "checks": [[*check.span, check.verdict, check.score, check.reason] for check in trace.checks],
        "first_ms": judgement.first_ms,
        "degraded": list(trace.degraded),
    }


def printed(name: str, report: AnswerReport) -> str:
    """The report as lines for a person."""
    values = report.as_dict()
    rows = [(words, _number(values[field])) for field, words in ROWS]
    of = f"{report.questions} questions, {report.unanswerable} of them unanswerable"
    first = f"First words after {_ms(report.first_ms)} (95 %: {_ms(report.first_ms_p95)})"
    whole = f"whole answers after {_ms(report.total_ms)}, {report.tokens:.0f} tokens written"
    rest = f"{report.unchecked} sentences unchecked, {report.unknown_markers} markers pointed at nothing"
    return "\n".join(
        [
            f"\n{name}: {of}, pipeline {report.pipeline}",
            table(("", "share"), rows),
            f"{first}, {whole}; {rest}.",
            report.fingerprint,
        ]
    )


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
