"""One server: start it, wait until it answers, say where it is, end it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from scripts.opensearch.trouble import Trouble
from scripts.vllm.models import Served

READY_S = 900.0
END_S = 60.0
CACHE_GB = "1"
"""Memory for keys and values of one server: some 40,000 tokens of the small model."""


class Server:
    """One of `models.SERVED`. Only one process at a time may use it; see `__main__`."""

    def __init__(self, served: Served, folder: Path, say: Callable[[str], None]) -> None:
        self.served = served
        self.console = folder / f"{served.name}.log"
        self._address = folder / f"{served.name}.json"
        self._pid_file = folder / f"{served.name}.pid"
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()

    def start(self, python: Path, model: Path, port: int | None) -> None:
        """Start it on a port of the loopback address, or on any free one."""
        port = _free(port)
        self._began = time.monotonic()  # making the model's folder does not count
        # In /proc the model's folder and the server's name stand in the command line: see `pid`.
        command = [
            *(str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
            *("--served-model-name", self.served.model, "--host", "127.0.0.1", "--port", str(port)),
            *("--seed", "0", *self.served.arguments),
        ]
        quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        self._say(f"Starting vLLM with {self.served.model}")
        with self.console.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | quiet | {"VLLM_CPU_KVCACHE_SPACE": CACHE_GB},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid), "utf-8")
        told = {"url": f"http://127.0.0.1:{port}", "model": self.served.model, "port": port}
        self._address.write_text(json.dumps(told, indent=1) + "\n", "utf-8")

    def wait(self) -> None:
        """Until it answers. Raises `Trouble` when it ends, or takes too long."""
        said = time.monotonic()
        while not self.answers():
            waited = time.monotonic() - self._began
            if self.pid() is None:
                raise Trouble(f"vLLM with {self.served.model} ended by itself:\n{self._tail()}")
            if waited > READY_S:
                raise Trouble(f"vLLM with {self.served.model} does not answer:\n{self._tail()}")
            if time.monotonic() - said > 20:
                said = time.monotonic()
                self._say(f"  {self.served.name}: {waited:.0f} s")
            time.sleep(0.5)

    def answers(self) -> bool:
        address = self.address()
        if not address:
            return False
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{address['url']}/health", timeout=5):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def address(self) -> dict[str, str]:
        """Where it is, if it runs: `url`, `model`."""
        if self.pid() is None:
            return {}
        found: dict[str, str] = json.loads(self._address.read_text("utf-8"))
        return found

    def services(self) -> str:
        """Its tables in a file of services."""
        url = self.address()["url"]
        return "".join(
            f'[{name}]\ndialect = "{dialect}"\nurl = "{url}{path}"\ntimeout_ms = 600000\n\n'
            for name, dialect, path in self.served.services
        )

    def pid(self) -> int | None:
        """Its process, if that is alive and ours: after a crash the number may be another's."""
        if self._process is not None:  # ours to wait for; in its first moment it has no command line yet
            return self._process.pid if self._process.poll() is None else None
        try:
            pid = int(self._pid_file.read_text("utf-8"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if b"vllm.entrypoints.openai.api_server" in command else None

    def stop(self) -> bool:
        """End it with all that it started, and wait until it is gone. False where it did not run."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + END_S
            while self.pid() is not None and time.monotonic() < until:
                time.sleep(0.1)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # its engine is a process of its own
        for file in (self._pid_file, self._address):
            file.unlink(missing_ok=True)
        return pid is not None

    def _tail(self) -> str:
        lines = self.console.read_text("utf-8", "replace").splitlines()
        return "\n".join([*lines[-15:], f"All of it: {self.console}"])


def _free(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise Trouble(f"Port {wanted} is taken by another program: name another one.") from error
        port: int = probe.getsockname()[1]
        return port
