"""Models that somebody added to a store, beside those of the catalogue: a folder, or a hub's repository.

What was added is pinned as the catalogue's models are: `added.json` in the model's folder says which files it
has and the SHA-256 of each. Weights are taken as safetensors, ONNX or GGUF, never as pickles, and Python code
only where who adds the model names the SHA-256 of the code, which is what they have read.

The standard library only: the set-up of a fresh machine asks the store before anything is installed.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rag.errors import ModelError
from rag.models.catalogue import Model, ModelFile
from rag.models.sources import Report, sha256_of

RECORD = "added.json"
WEIGHTS = ("*.safetensors", "*.onnx", "*.gguf")
KINDS = (*WEIGHTS, "*.onnx_data", "*.json", "*.txt", "*.model", "*.jinja")
"""The files of a model that are taken; all others stay where they are."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
REVISION = re.compile(r"[0-9a-f]{40}")
NOTED = ("name", "sha256", "bytes")
"""What a record says of each file."""


def read(store: Path) -> tuple[Model, ...]:
    """The models that were added to a store, by name. A record that cannot be read is no model."""
    found = []
    for record in sorted(store.glob(f"*/{RECORD}")):
        try:
            model = _model(json.loads(record.read_text("utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if model.name == record.parent.name:
            found.append(model)
    return tuple(found)


def code_digest(files: Mapping[str, str]) -> str:
    """SHA-256 of a model's own code: of the lines `<sha256>  <name>` of its `.py` files, in order of names.

    As `sha256sum *.py | sha256sum` prints it in the C locale. Empty where there is no code.
    """
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(files.items()) if name.endswith(".py")]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def check(name: str, revision: str | None) -> None:
    """Raises `ModelError` for a name that is none and for a revision that can move."""
    if not NAME.fullmatch(name):
        raise ModelError(f"{name!r} cannot name a model: take letters, digits, dots, '-' and '_'.")
    if revision is not None and not REVISION.fullmatch(revision):
        raise ModelError(
            f"{revision!r} is no commit of a model hub: name all 40 hexadecimal digits, since a branch moves."
        )


def take(model: Model, source: Path, into: Path, report: Report) -> Model:
    """Copy a model's files from a folder into an empty one, and write its record; the model with its files.

    Raises `ModelError` where there are no weights that may be taken, or code other than was vouched for.
    """
    here = sorted(path for path in source.iterdir() if path.is_file()) if source.is_dir() else []
    chosen = [path for path in here if _fits(path, KINDS) and path.name not in (RECORD, "verified.json")]
    if not any(_fits(path, WEIGHTS) for path in chosen):
        pickles = ", ".join(path.name for path in here if _fits(path, PICKLES))
        but = f", only {pickles}: reading such a file may run what somebody wrote into it" if pickles else ""
        raise ModelError(f"{source} holds no weights as safetensors, ONNX or GGUF{but}.")
    if model.own_code:
        code = [path for path in here if path.suffix == ".py"]
        found = code_digest({path.name: sha256_of(path) for path in code})
        if found != model.own_code:
            raise ModelError(
                f"The code in {source} has the SHA-256 {found or '(none)'}, not {model.own_code}."
            )
        chosen += code
    for done, path in enumerate(chosen):
        report(path.name, done, len(chosen))
        shutil.copyfile(path, into / path.name)
    if model.own_code:
        _find_code_here(into / "config.json")
    return record(model, into)


def record(model: Model, folder: Path) -> Model:
    """Write the record of a model whose files lie in a folder; the model with its files."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    files = tuple(ModelFile(path.name, sha256_of(path), path.stat().st_size) for path in paths)
    whole = replace(model, files=files)
    noted = asdict(whole) | {"files": [{key: getattr(file, key) for key in NOTED} for file in files]}
    (folder / RECORD).write_text(json.dumps(noted, indent=1) + "\n", "utf-8")
    return whole


def _model(noted: dict[str, Any]) -> Model:
    """A record read back. Its every value is checked: the standard library does not."""
    files = tuple(ModelFile(**{key: file[key] for key in NOTED}) for file in noted["files"])
    model = Model(**noted | {"files": files})
    texts = [model.name, model.use, model.licence, model.origin, model.own_code]
    texts += [text for file in files for text in (file.name, file.sha256)]
    if not all(isinstance(text, str) for text in texts) or not all(type(f.bytes) is int for f in files):
        raise TypeError("a record of a model with values of other types")
    return model


def _find_code_here(config: Path) -> None:
    """A configuration may name its classes in a repository of a hub; here they are those beside it."""
    try:
        settings = json.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The model's {config.name} cannot be read: {error}") from error
    classes = settings.get("auto_map", {})
    settings["auto_map"] = {
        key: name.rsplit("--", 1)[-1] for key, name in classes.items() if isinstance(name, str)
    }
    config.write_text(json.dumps(settings, indent=1) + "\n", "utf-8")


def _fits(path: Path, kinds: tuple[str, ...]) -> bool:
    return any(fnmatch(path.name, kind) for kind in kinds)
