"""From a prepared `.venv` to an open application with the handbook indexed and one question answered.

The server starts beside `scripts.prepare`, which runs the commands, and ends with this script.
Standard library only.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from scripts.setup import ROOT, VENV, model_dir, read_stamp, say

WAIT_S = 60
PR_SET_PDEATHSIG = 1


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


def die_with_parent() -> None:
    """In the child: end when this script ends, even by kill -9. Linux only; elsewhere a no-op."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start_server(port: int) -> subprocess.Popen[bytes]:
    """In a process group of its own, so that Ctrl-C reaches it once, through `stop`."""
    command = [
        *(sys.executable, "-m", "gunicorn", "--config", "python:search_app.gunicorn"),
        *("--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--no-control-socket"),
    ]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, preexec_fn=die_with_parent)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ask politely, then take the whole group down: nothing stays behind."""
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=8)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit("The web server ended at once; its reason stands above.")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"The web server did not answer within {WAIT_S} s.")


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
    server: subprocess.Popen[bytes] | None = None
    try:
        server = start_server(port)
        prepared = subprocess.run(
            [sys.executable, "-m", "scripts.prepare"], cwd=ROOT, preexec_fn=die_with_parent
        )
        if prepared.returncode:
            raise SystemExit(prepared.returncode)
        wait_until_it_answers(server, port)
        say("\n" + summary(port, began))
        raise SystemExit(server.wait())
    except KeyboardInterrupt:
        say("\nStopping")
    finally:
        if server is not None:
            stop(server)


if __name__ == "__main__":
    main()
