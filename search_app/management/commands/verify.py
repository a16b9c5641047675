import sys
from typing import Any

from django.conf import settings

from rag.index import embedded
from search_app import consistency, pipelines, verified
from search_app.management.base import SieveCommand


class Command(SieveCommand):
    help = (
        "Hold the stores of the index against each other, the index against the database, and the database\n"
        "against the kept files. Says also what waits and what has failed. Mends nothing.\n\n"
        "Exit code 0: all is well. Exit code 1: something is wrong, one sentence each."
    )

    def run(self, **options: Any) -> None:
        encoder = pipelines.encoder()
        report = embedded.verify(settings.INDEX_DIR, encoder.fingerprint, encoder.dimension)
        problems = list(report.problems)
        if not problems:
            problems += consistency.differences(pipelines.reader(encoder).documents())
        problems += consistency.lost_files()
        verified.keep(problems)
        for sentence in (*problems, *report.notes, *consistency.notes(pipelines.recipe())):
            self.say(sentence)
        self.say(f"{report.documents} documents, {report.passages} passages, {len(problems)} problems.")
        if problems:
            sys.exit(1)
