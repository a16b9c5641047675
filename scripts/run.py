"""From a prepared `.venv` to an open application with the handbook indexed and one question answered.

The parts of the application start beside `scripts.prepare`, which runs the commands, and end with this
script. One log: each line of a part begins with its name.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from scripts.part import die_with_parent
from scripts.setup import ROOT, VENV, data_dir, model_dir, read_stamp, say
from scripts.stack import Stack, StackError


def disk_bytes(folder: Path) -> int:
    """What a folder takes on disk; files that are linked twice are counted once."""
    seen: dict[tuple[int, int], int] = {}
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(OSError):
            entry = path.lstat()
            seen[entry.st_dev, entry.st_ino] = entry.st_blocks * 512
    return sum(seen.values())


def port_of(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise SystemExit(f"PORT is {text!r}; it must be a number from 1 to 65535, as in: make run PORT=8001")
    return int(text)


def check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise SystemExit(f"Port {port} may not be opened by this user. Try: make run PORT=8001") from None
        except OSError:
            raise SystemExit(
                f"Port {port} is taken by another program. Choose another one: "
                f"make run PORT={port % 65535 + 1}"
            ) from None


def summary(port: int, began: float) -> str:
    environment, models = disk_bytes(VENV), disk_bytes(model_dir())
    stamp = read_stamp()
    lines = [
        f"Open http://127.0.0.1:{port}/   admin: http://127.0.0.1:{port}/admin/",
        f"Ready after {time.time() - began:.1f} s. On disk: environment {environment / 1e6:.0f} MB, "
        f"models {models / 1e6:.0f} MB, together {(environment + models) / 1e6:.0f} MB.",
    ]
    packages = sum(float(size) for name, size in stamp.items() if name.endswith(".lock bytes"))
    downloads = [f"{packages / 1e6:.0f} MB of packages"]
    if "model_bytes" in stamp:
        downloads.append(f"about {float(stamp['model_bytes']) / 1e6:.0f} MB of models")
    if "requirements-dev.lock" in stamp:
        lines.append(
            "The environment holds the tools of development too: make test or make lint put them there."
        )
    lines.append(f"Downloaded, when it was set up: {' and '.join(downloads)}.")
    lines.append("Ctrl-C ends it.")
    return "\n".join(lines)


def interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    began = float(os.environ.get("SIEVE_RUN_BEGAN") or time.time())
    port = port_of(os.environ.get("PORT") or "8000")
    check_free(port)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell may have had SIGINT ignored
        signal.signal(number, interrupted)
    try:
        # The parts write into a pipe and cannot know that somebody reads along.
        form = os.environ.get("SIEVE_LOG_FORMAT") or ("plain" if sys.stdout.isatty() else "json")
        environment = {"SIEVE_LOG_FORMAT": form}
        with Stack(data_dir(), port, environment=environment, parts=("redis", "rerank", "web")) as stack:
            prepared = subprocess.run(
                [sys.executable, "-m", "scripts.prepare"], cwd=ROOT, preexec_fn=die_with_parent()
            )
            if prepared.returncode:
                raise SystemExit(prepared.returncode)
            stack.start("ingest")  # only now: the commands before needed the index's one writer
            stack.wait_until_ready("redis", "rerank", "web")  # nobody needs to wait for the other one
            say("\n" + summary(port, began))
            stack.wait()
    except StackError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        say("\nStopping")


if __name__ == "__main__":
    main()
