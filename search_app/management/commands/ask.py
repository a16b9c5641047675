import json
from typing import Any

from rag.answers import Check
from rag.trace import Trace
from rag.types import context_of
from search_app import selectors
from search_app.access import OPERATOR
from search_app.asking import ask
from search_app.management.base import CommandParser, SieveCommand
from search_app.models import TraceRecord
from search_app.pages import spent
from search_app.pages.answer import ENDED
from search_app.pages.said import checked, counts
from search_app.pages.words import shorten


class Command(SieveCommand):
    help = (
        "Ask a question and read the answer with its citations.\n\n"
        "Exit code 0: the question was answered, or the documents do not answer it.\n"
        "Exit code 1: it could not be asked; the reason stands in the last line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("question", metavar="QUESTION")
        parser.add_argument("--collection", action="append", default=[], metavar="NAME", help="default: all")
        parser.add_argument("--pipeline", metavar="NAME")
        parser.add_argument("--json", action="store_true", help="print the whole trace")

    def run(self, **options: Any) -> None:
        recording = ask(
            options["question"],
            viewer=OPERATOR,
            collections=options["collection"],
            pipeline=options["pipeline"],
        )
        trace = recording.finish()
        if options["json"]:
            record = TraceRecord.objects.get(pk=recording.trace_id)
            stored = selectors.stored_trace(OPERATOR, record)
            self.say(json.dumps(selectors.exported(stored), ensure_ascii=False, indent=1))
            return
        for line in told(trace):
            self.say(line)
        self.say(f"Trace {recording.trace_id}")


def told(trace: Trace) -> list[str]:
    """The answer, the passages it stands on, one line of numbers, and what did not go as it should."""
    lines = [f"Understood as: {printable(trace.rewriting.question)}", ""] if trace.rewriting else []
    lines += [printable(trace.answer.text) if trace.answer else "No answer was written.", ""]
    lines += doubts(trace)
    cited = {citation.marker for citation in trace.answer.citations} if trace.answer else set()
    for marker, passage in trace.handed:
        where = context_of(passage.title, passage.headings) or passage.id
        page = f", page {passage.page}" if passage.page else ""
        mark = "*" if marker in cited else " "
        lines.append(f"{mark}[{marker}] {printable(where)}{page}  ({passage.id})")
    ranked = [f"{ranking.stage} {len(ranking)}" for ranking in trace.rankings]
    lines += [
        "",
        f"{trace.readable} passages may be read; {', '.join(ranked)}; {len(trace.context)} used. "
        f"Rerank {trace.rerank.status}{f': {cost}' if (cost := spent.said(trace)) else ''}. "
        f"{trace.total_ms:.0f} ms.",
    ]
    lines += [f"! {printable(sentence)}" for sentence in trace.degraded]
    return lines


def doubts(trace: Trace) -> list[str]:
    """A line for each sentence of the answer that no passage supports, and one for those not checked."""
    checks = checked(trace)
    lines = [
        f"? Not supported by a passage: {_sentence(trace, check)} {check.reason}".rstrip()
        for check in checks
        if check.verdict == "unsupported"
    ]
    if unchecked := counts(checks)["unchecked"]:
        lines.append(f"? {unchecked} of {len(checks)} sentences were not checked.")
    if trace.answer and trace.answer.finish_reason in ENDED:
        lines.append(f"? {ENDED[trace.answer.finish_reason]}")
    return [*map(printable, lines), ""] if lines else []


def _sentence(trace: Trace, check: Check) -> str:
    return shorten(trace.answer.text[slice(*check.span)], 160) if trace.answer else ""


def printable(text: str) -> str:
    """Text from documents for a terminal: control characters, which could steer it, are left out."""
    return "".join(c for c in text if c == "\n" or c.isprintable())
