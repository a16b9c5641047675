"""The OpenAPI schema of the REST API."""

from pathlib import Path
from typing import Any

from django.conf import settings

from search_app.management.base import CommandParser, SieveCommand


class Command(SieveCommand):
    help = (
        "Print the OpenAPI schema of the REST API, or write it to docs/openapi.json.\n\n"
        "Exit codes: 0 done; 1 not done, and the last line says why."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="into docs/openapi.json")

    def run(self, **options: Any) -> None:
        from search_app.api import docs  # here, so that other commands need not load the routes

        if not options["write"]:
            self.stdout.write(docs.written(), ending="")
            return
        place = Path(settings.BASE_DIR) / "docs" / "openapi.json"
        place.write_text(docs.written(), "utf-8")
        self.say(f"Wrote {place.name}.")
