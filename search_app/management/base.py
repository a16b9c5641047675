"""What the commands share: an error with a sentence ends a command with that sentence and exit code 1."""

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError
from django.core.management.base import CommandParser as CommandParser
from tqdm import tqdm

from rag.errors import SieveError

T = TypeVar("T")


class SieveCommand(BaseCommand):
    """Subclasses write `run`; their `help` says what their exit codes mean."""

    requires_system_checks: list[str] = []  # the same few rows are checked by the tests, not at each call

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", RawDescriptionHelpFormatter)
        return super().create_parser(prog_name, subcommand, **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except SieveError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted. The same command goes on where it was.", returncode=130
            ) from None

    def run(self, **options: Any) -> None:
        raise NotImplementedError

    def say(self, text: str = "") -> None:
        self.stdout.write(text)


def progress(
    items: Iterable[T] | None = None, *, total: int | None = None, unit: str, label: str
) -> "tqdm[T]":
    """A progress bar on stderr; none where stderr is no terminal."""
    return tqdm(items, total=total, unit=unit, desc=label, file=sys.stderr, disable=None, dynamic_ncols=True)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, words: bool = False) -> str:
    """Lines of aligned columns; the first is text, the others stand to the right unless all are `words`."""
    cells = [list(header), *[[str(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            v.ljust(w) if words or i == 0 else v.rjust(w)
            for i, (v, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
