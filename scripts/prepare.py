"""Database, handbook, one question, first admin: the commands of a first start, in one process.

One process, because starting Django and loading the models take longer than the work. Each step is a
command that a person could type.
"""

import os
import sys

from scripts.setup import ROOT, say

COLLECTION = "handbook"
QUESTION = "What happens to my answer when the reranker runs out of time?"


def handbook() -> list[str]:
    """The pages, without the pictures beside them."""
    return [str(page) for page in sorted(ROOT.glob("docs/*.md"))] + [str(ROOT / "docs" / "decisions")]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "search_app.settings")
    import django
    from django.core.management import CommandError, call_command

    django.setup()
    try:
        say("Preparing the database")
        call_command("migrate", verbosity=0)
        say(f"Indexing the handbook (docs/) as the collection {COLLECTION!r}")
        call_command("ingest", *handbook(), collection=COLLECTION)
        say(f"\nAsking: {QUESTION}\n")
        call_command("ask", QUESTION, collection=[COLLECTION])
        say("")
        call_command("first_admin")
    except CommandError as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
