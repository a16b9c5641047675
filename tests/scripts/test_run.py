"""The whole first start, but for the installation: one question answered, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_S = 300

pytestmark = [pytest.mark.models, pytest.mark.slow]


class Run:
    """`scripts.run` in a process group of its own, as a terminal would start it."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "scripts.run"],
            cwd=ROOT,
            env=os.environ | {"PORT": str(self.port), "SIEVE_DATA_DIR": str(data)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("Ctrl-C ends it."):
                self.ready.set()
        self.ready.set()

    def wait_until_ready(self) -> str:
        assert self.ready.wait(READY_S), "\n".join(self.lines)
        assert self.process.poll() is None, "\n".join(self.lines)
        return "\n".join(self.lines)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    def family(self) -> list[psutil.Process]:
        """All parts, with what they have started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def gone(self) -> bool:
        """True when within some seconds nobody listens any more."""
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)):
                    return True
            time.sleep(0.1)
        return False


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def run(data: Path) -> Iterator[Run]:
    started = Run(data)
    yield started
    if started.process.poll() is None:
        started.process.terminate()
        started.process.wait(20)


def test_a_first_start_answers_a_question_and_ctrl_c_ends_all(run: Run) -> None:
    said = run.wait_until_ready()
    assert "[1]" in said
    assert f"Open http://127.0.0.1:{run.port}/" in said
    assert "password" in said
    assert run.answers()
    family = run.family()
    said_by = " ".join(" ".join(process.cmdline()) for process in family)
    for part in ("redis-server", "workers rerank", "workers ingest", "gunicorn"):
        assert part in said_by
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.process.wait(20) in (0, 130)
    assert run.gone()
    assert psutil.wait_procs(family, timeout=0)[1] == []
    assert "Traceback" not in "\n".join(run.lines)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel to end the parts with their parent")
def test_a_second_start_has_no_new_admin_and_kill_9_leaves_nothing(run: Run) -> None:
    said = run.wait_until_ready()
    assert "password" not in said
    family = run.family()
    run.process.kill()
    run.process.wait(10)
    assert run.gone()
    assert psutil.wait_procs(family, timeout=10)[1] == []
