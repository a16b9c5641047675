from typing import Any

from search_app import promotion
from search_app.management.base import CommandParser, SieveCommand


class Command(SieveCommand):
    help = (
        "Put the version of the index that `reindex` built in use, and its encoder in every pipeline.\n"
        "Searches go on meanwhile. The version before is kept up to date for `rollback`. After a rollback\n"
        "the same command puts the newer version in use again.\n\n"
        "Exit code 0: done. Exit code 1: nothing was changed; the reason stands in the last line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--anyway", action="store_true", help="even where the quality gate found that it finds less"
        )
        parser.add_argument(
            "--drop-previous", action="store_true", help="promote nothing: delete the version before, now"
        )

    def run(self, **options: Any) -> None:
        if options["drop_previous"]:
            self.say(f"{promotion.drop_previous()} is deleted.")
            return
        name = promotion.promote(anyway=options["anyway"])
        self.say(f"{name} is in use. To go back: manage.py rollback")
