from typing import Any

from search_app import promotion
from search_app.management.base import SieveCommand


class Command(SieveCommand):
    help = (
        "Put the version of the index before this one in use again, and its encoder in every pipeline.\n"
        "It was kept up to date: nothing is lost, and searches go on meanwhile.\n\n"
        "Exit code 0: done. Exit code 1: nothing was changed; the reason stands in the last line."
    )

    def run(self, **options: Any) -> None:
        self.say(f"{promotion.rollback()} is in use again. To undo this: manage.py promote")
