import sys
import uuid
from typing import Any

from rag import spec as specs
from rag.errors import SieveError
from rag.pipeline import Replay
from rag.replay import difference
from search_app import pipelines, selectors
from search_app.access import OPERATOR
from search_app.management.base import CommandParser, SieveCommand
from search_app.models import TraceRecord


class Command(SieveCommand):
    help = (
        "Answer the question of a stored trace again, by its own spec, and say what differs.\n\n"
        "From `bm25`, the whole path is run; the same rankings are promised while the index version is\n"
        "unchanged. From `fused`, the two legs of the stored trace stand in for the index. Scores that are\n"
        "kept are not computed again, and it says how many were; with --fresh all are.\n\n"
        "Exit code 0: the rankings are the same. Exit code 1: they differ, or it cannot be replayed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("trace", metavar="TRACE")
        parser.add_argument(
            "--from", dest="stage", choices=("bm25", "fused"), default="bm25", metavar="STAGE"
        )
        parser.add_argument("--fresh", action="store_true", help="take no score from the score cache")

    def run(self, **options: Any) -> None:
        old = selectors.stored_trace(OPERATOR, _record(options["trace"])).trace
        if "encoder" not in old.spec:
            raise SieveError("This trace is of texts that were sent to be ranked. They were not kept.")
        if options["fresh"]:
            pipelines.score_anew()
        pipeline = pipelines.build(old.pipeline, specs.from_mapping(old.spec))
        new = pipeline.answer(old.query, replay=Replay(old, from_legs=options["stage"] == "fused"))
        found = difference(old, new)
        for one in found:
            self.say(f"{one.where}: {one.sentence}")
        if any(one.ranking for one in found):
            self.say(f"{len(found)} differences.")
            sys.exit(1)
        kept = sum(spent.cached for spent in new.spent.values())
        said = f", {kept} scores from the score cache" if kept else ""
        self.say(f"The same rankings in {len(new.rankings)} stages, {len(new.final)} candidates{said}.")


def _record(text: str) -> TraceRecord:
    try:
        return TraceRecord.objects.get(pk=uuid.UUID(text))
    except (ValueError, TraceRecord.DoesNotExist) as error:
        raise SieveError(f"There is no trace {text}.") from error
