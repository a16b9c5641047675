import resource
from pathlib import Path
from typing import Any

from search_app import bringing, pipelines, services, sources
from search_app.bringing import STATES, Brought
from search_app.management.base import CommandParser, SieveCommand, progress, table


class Command(SieveCommand):
    help = (
        "Bring files, folders and ZIP archives into a collection; makes the collection if there is none.\n\n"
        "A document is known by its name in the collection: the last part of the given path and what\n"
        "follows below it. A file whose content has not changed is passed over; one whose content has\n"
        "changed replaces the version before. A file that cannot be read is kept as failed, with the\n"
        "reason, and its last good version can still be found. Where a worker runs, it does the work and\n"
        "this command waits for it. Killed at any moment, the same command run again brings everything\n"
        "to its end.\n\n"
        "Exit code 0: the run came to its end and at least one file is indexed, now or before.\n"
        "Exit code 1: a path is missing, there were no files, or not one of them could be indexed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--collection", required=True, metavar="NAME")
        parser.add_argument(
            "--language", metavar="CODE", help="of a new collection: en (default), de, cjk, plain, ..."
        )
        parser.add_argument("--dry-run", action="store_true", help="list the documents and do nothing")

    def run(self, **options: Any) -> None:
        found = sources.find(options["paths"])
        if not found:
            raise sources.SourceError("There are no files in " + ", ".join(map(str, options["paths"])))
        if options["dry_run"]:
            for source in found:
                for name in sources.documents(source):
                    self.say(name)
            return
        pipelines.encoder()  # a model that is not here is said before a collection is made
        collection = services.collection(options["collection"], language=options["language"])
        with progress(total=None, unit="document", label=f"Ingest into {collection.name}") as bar:

            def moved(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            brought = bringing.bring(collection, found, moved)
        self.print_outcome(brought)
        if brought.counts["failed"] == brought.documents:
            raise sources.SourceError("Not one of the files could be indexed; the reasons stand above.")

    def print_outcome(self, brought: Brought) -> None:
        rows = [
            (suffix, *(counts[state] for state in STATES), counts.total())
            for suffix, counts in sorted(brought.by_format.items())
        ]
        total = ("all", *(brought.counts[state] for state in STATES), brought.documents)
        self.say(table(("format", *STATES, "files"), [*rows, total]))
        for reason, count in brought.reasons.most_common(20):
            self.say(f"{count:6}  {reason}")
        work = brought.work
        if work.swept:
            self.say(f"Cleared away {work.swept} document versions that an earlier run left unfinished.")
        rate = brought.documents / brought.seconds if brought.seconds else 0.0
        self.say(
            f"{work.passages} passages, {work.encoded_passages} encoded, in {brought.seconds:.1f} s: "
            f"{rate:.1f} documents/s"
            + (f", {brought.outside_encoder:.0%} of the time outside the encoder" if work.passages else "")
            + (", the rest by another process." if brought.waited else ".")
        )
        parent, child = (_peak_mb(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        self.say(f"Peak memory: {parent:.0f} MB here, {child:.0f} MB in the largest parser process.")


def _peak_mb(of: int) -> float:
    return resource.getrusage(of).ru_maxrss / 1024
