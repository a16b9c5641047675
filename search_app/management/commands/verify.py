import sys
from typing import Any

from search_app import consistency, indexes, pipelines, reindexing, verified
from search_app.management.base import SieveCommand


class Command(SieveCommand):
    help = (
        "Hold the stores of the index against each other, the index against the database, and the database\n"
        "against the kept files; on a cluster every version that is kept up to date. Says also what waits\n"
        "and what has failed. Mends nothing.\n\n"
        "Exit code 0: all is well. Exit code 1: something is wrong, one sentence each."
    )

    def run(self, **options: Any) -> None:
        encoder = pipelines.encoder()
        report = indexes.verify(encoder)
        problems = list(report.problems)
        if not problems:
            problems += consistency.differences(indexes.reader(encoder).documents)
        others, notes = reindexing.verify_others(encoder)
        problems += others
        problems += consistency.lost_files()
        verified.keep(problems)
        for sentence in (*problems, *report.notes, *notes, *consistency.notes(pipelines.recipe())):
            self.say(sentence)
        self.say(f"{report.documents} documents, {report.passages} passages, {len(problems)} problems.")
        if problems:
            sys.exit(1)
