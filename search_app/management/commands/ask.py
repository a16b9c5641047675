import json
from typing import Any

from rag.trace import Trace
from rag.types import context_of
from search_app import selectors
from search_app.access import OPERATOR
from search_app.asking import ask
from search_app.management.base import CommandParser, SieveCommand
from search_app.models import TraceRecord
from search_app.pages import spent


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
    lines = [printable(trace.answer.text) if trace.answer else "No answer was written.", ""]
    cited = {citation.marker for citation in trace.answer.citations} if trace.answer else set()
    passages = trace.passages
    for part in trace.context:
        passage = passages[part.passage_id]
        where = context_of(passage.title, passage.headings) or passage.id
        page = f", page {passage.page}" if passage.page else ""
        mark = "*" if part.marker in cited else " "
        lines.append(f"{mark}[{part.marker}] {printable(where)}{page}  ({passage.id})")
    ranked = [f"{ranking.stage} {len(ranking)}" for ranking in trace.rankings]
    lines += [
        "",
        f"{trace.readable} passages may be read; {', '.join(ranked)}; {len(trace.context)} used. "
        f"Rerank {trace.rerank.status}{f': {cost}' if (cost := spent.said(trace)) else ''}. "
        f"{trace.total_ms:.0f} ms.",
    ]
    lines += [f"! {printable(sentence)}" for sentence in trace.degraded]
    return lines


def printable(text: str) -> str:
    """Text from documents for a terminal: control characters, which could steer it, are left out."""
    return "".join(c for c in text if c == "\n" or c.isprintable())
