from typing import Any

from django.conf import settings

from search_app import expiry
from search_app.management.base import CommandParser, SieveCommand


class Command(SieveCommand):
    help = (
        "Delete what has had its time: traces older than SIEVE_TRACE_DAYS with what was said of them, empty\n"
        "conversations, texts that no trace shows any more, and sessions. The ingest worker does the same\n"
        "every hour.\n\n"
        "Exit code 0: done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count and delete nothing")

    def run(self, **options: Any) -> None:
        dry_run = options["dry_run"]
        found = expiry.expire(dry_run=dry_run)
        kept = f"Traces are kept for {settings.TRACE_DAYS:g} days." if settings.TRACE_DAYS else "Traces stay."
        self.say(
            f"{kept} {'To go' if dry_run else 'Gone'}: {found.traces} traces, {found.conversations} "
            f"conversations, {found.texts} texts, {found.sessions} sessions."
        )
