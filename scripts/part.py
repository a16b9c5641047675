"""One part of a running Sieve: a process with its name before each line that it says."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
LIVED_S = 5.0
"""A part that lived so long starts again at once; one that dies sooner waits twice as long each time."""

try:
    _prctl = ctypes.CDLL(None).prctl  # found here: a child between fork and exec must not look for it
except (OSError, AttributeError, TypeError):
    _prctl = None


def die_with_parent(number: int = signal.SIGTERM) -> Callable[[], None]:
    """For `preexec_fn`: the child gets this signal when its parent's thread ends, even by kill -9.

    Linux only; elsewhere it does nothing.
    """

    def ask() -> None:
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, number)

    return ask


class Part:
    """Started, watched and ended by one thread; its pid may be read and killed from others."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        say: Callable[[str], None],
        *,
        orphan_signal: int = signal.SIGKILL,
        noise: Sequence[str] = (),
    ) -> None:
        """`orphan_signal` is what it gets when this process is killed; lines with `noise` are left out."""
        self.name = name
        self.starts = 0
        self.failures = 0
        """Ends in a row, each soon after its start."""
        self._command, self._environment = list(command), dict(environment)
        self._say, self._orphan_signal, self._noise = say, orphan_signal, tuple(noise)
        self._process: subprocess.Popen[str] | None = None
        self._began = self._again_at = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def step(self) -> None:
        """Start it when it does not run; when it has ended, say so and wait for its pause to be over."""
        now = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            code, lived = self._process.returncode, now - self._began
            self._sweep()
            self._process = None
            self.failures = 0 if lived > LIVED_S else self.failures + 1
            pause = min(FIRST_PAUSE_S * 2**self.failures, LONGEST_PAUSE_S)
            self._again_at = now + pause
            self._line(f"{_ended(code)}; starting it again in {pause:.1f} s")
        if self._process is None and now >= self._again_at:
            self._start()

    def _start(self) -> None:
        self.starts += 1
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that Ctrl-C reaches it once, through `stop`
            preexec_fn=die_with_parent(self._orphan_signal),
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while it was read
            for line in process.stdout:
                if line.strip() and not any(word in line for word in self._noise):
                    self._line(line.rstrip())

    def _line(self, text: str) -> None:
        self._say(f"{self.name:<6} | {text}")

    def ask_to_end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, until: float) -> None:
        """Wait for its end until then, and kill what is left of its group."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, until - time.monotonic()))
            self._sweep()
            self._process.wait()

    def kill(self) -> None:
        """kill -9, with all that it started."""
        self._sweep()

    def _sweep(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
