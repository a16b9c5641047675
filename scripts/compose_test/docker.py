"""Docker by its command line: whether it is here, and one project of Docker Compose."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = ROOT / "docker" / "stand-ins"
SKIPPED = 77


class Failed(Exception):
    """The test did not go well; the message says what was expected and what was seen."""


def missing() -> str:
    """What keeps this machine from running the test, in a sentence; empty when nothing does."""
    if shutil.which("docker") is None:
        return "There is no docker command here."
    for words, what in (
        (["version"], "No Docker engine answers"),
        (["compose", "version"], "No Docker Compose"),
    ):
        done = subprocess.run(["docker", *words], capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["it says nothing"]
            return f"{what}: {said[-1]}"
    return ""


def docker(*words: str | Path, timeout_s: float = 900.0) -> str:
    """Run a command and give what it prints. Raises `Failed` with its last lines."""
    return run(["docker", *words], timeout_s)


def run(command: Sequence[str | Path], timeout_s: float, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{_said(command)} took longer than {timeout_s:.0f} s.") from None
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise Failed("\n".join([f"{_said(command)} ended with {done.returncode}:", *lines[-25:]]))
    return done.stdout


def _said(command: Sequence[str | Path]) -> str:
    return " ".join(str(word) for word in command)


class Project:
    """docker-compose.yml under a name of its own, with secrets and volumes of its own."""

    def __init__(self, name: str, env_file: Path, *, stand_ins: bool) -> None:
        self.name = name
        self.stand_ins = stand_ins
        files = [ROOT / "docker-compose.yml", *([STAND_INS / "compose.yml"] if stand_ins else [])]
        self._words = [
            "docker",
            "compose",
            "--project-name",
            name,
            "--env-file",
            env_file,
            "--progress",
            "plain",
        ]
        for file in files:
            self._words += ["--file", file]

    def compose(self, *words: str, timeout_s: float = 900.0) -> str:
        return run([*self._words, *words], timeout_s)

    def execute(self, service: str, *words: str) -> str:
        """Run a command in a service's container."""
        return self.compose("exec", "-T", service, *words, timeout_s=300.0)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Service → what the engine knows of its container, also of one that has ended."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def wait(self, timeout_s: float = 300.0) -> None:
        """Until every container with a health check is healthy."""
        until = time.monotonic() + timeout_s
        while sick := self._sick():
            if time.monotonic() > until:
                raise Failed(f"Not healthy within {timeout_s:.0f} s: {sick}")
            time.sleep(1)

    def _sick(self) -> dict[str, str]:
        states = {name: one["State"] for name, one in self.containers().items()}
        health = {name: state["Health"]["Status"] for name, state in states.items() if "Health" in state}
        return {name: status for name, status in health.items() if status != "healthy"}

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
