"""Re-index under load: searches, writes and deletes go on while the re-indexer is killed and run again.

SIEVE_REINDEX_REPORT names a file that gets the numbers; SIEVE_REINDEX_SPEED makes the load larger or
smaller, for a machine that is busy with other things.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rag.index.opensearch import Address
from tests.e2e.conftest import ROOT, manage
from tests.opensearch import fresh, running

VERSION = "3.6.0"
pytestmark = [pytest.mark.slow, pytest.mark.opensearch(VERSION)]

KILLS = 2
SEARCHING = 2
"""Processes that search, as in `tests.e2e.reindex_load`."""
SETTLED_S = 180.0
COUNTS = "select count(*), sum(state = 'searchable'), sum(state = 'failed') from search_app_document"


@pytest.fixture
def address() -> Iterator[Address]:
    yield from fresh(running(VERSION))


@dataclass
class Load:
    """An installation of its own, and the processes that use it."""

    folder: Path
    environment: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, mode: str, label: str = "") -> None:
        command = [sys.executable, "-m", "tests.e2e.reindex_load", mode, label or mode, str(self.folder)]
        with (self.folder / f"{label or mode}.log").open("wb") as log:
            self.running.append(
                subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
            )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "data" / "sieve.sqlite3", timeout=30)) as database:
            return database.execute(sql).fetchall()

    def settle(self) -> None:
        """Until every document has come to its end."""
        deadline = time.monotonic() + SETTLED_S
        while True:
            ((all_of_them, searchable, failed),) = self.rows(COUNTS)
            waiting = self.rows("select count(*) from search_app_removal")[0][0]
            dead = [process.args for process in self.running if process.poll() is not None]
            assert not dead, [log.read_text()[-2000:] for log in self.folder.glob("work-*.log")]
            assert not failed, self.rows(
                "select name, reason from search_app_document where state = 'failed'"
            )
            if all_of_them and searchable == all_of_them and not waiting:
                return
            assert time.monotonic() < deadline, (all_of_them, searchable, waiting)
            time.sleep(0.5)

    def report(self, label: str) -> Any:
        return json.loads((self.folder / f"{label}.json").read_text())

    def stop(self, name: str, count: int) -> None:
        (self.folder / name).touch()
        for process in self.running[:count]:
            assert process.wait(timeout=90) == 0, [
                log.read_text()[-2000:] for log in self.folder.glob("*.log")
            ]
        del self.running[:count]


@pytest.fixture
def load(address: Address, tmp_path: Path) -> Iterator[Load]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SIEVE_OPENSEARCH")} | {
        "SIEVE_DATA_DIR": str(tmp_path / "data"),
        "SIEVE_OPENSEARCH": ",".join(address.urls),
        "SIEVE_OPENSEARCH_USER": address.user,
        "SIEVE_OPENSEARCH_PASSWORD": address.password,
        "SIEVE_OPENSEARCH_CA": str(address.ca or ""),
        "SIEVE_OPENSEARCH_PREFIX": address.prefix,
        "SIEVE_LEASE_SECONDS": "10",
        "SIEVE_OPENSEARCH_TIMEOUT": "10",  # how long one waits on a busy machine is not what is tested
    }
    made = Load(tmp_path, environment)
    manage(environment, "migrate", "--verbosity", "0")
    made.start("seed")
    assert made.running.pop().wait(timeout=300) == 0, (tmp_path / "seed.log").read_text()
    try:
        yield made
    finally:
        for process in made.running:
            process.kill()


def reindex_killed(load: Load, *options: str) -> list[str]:
    """Run the re-indexer with `--promote`, killed twice while it builds; gives where it was each time."""
    command = [sys.executable, "manage.py", "reindex", "--promote", *options]
    draw, killed = random.Random(), []
    while len(killed) < KILLS:
        before = (load.rows("select done from search_app_reindex where open") or [(0,)])[0][0]
        process = subprocess.Popen(
            command, cwd=ROOT, env=load.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            row = load.rows("select done, total, holder from search_app_reindex where open")
            if row and row[0][2] and row[0][0] > before + row[0][1] * draw.uniform(0.05, 0.25):
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed.append(f"{row[0][0]} of {row[0][1]}")
                break
            time.sleep(0.01)
        else:
            pytest.fail(f"It ended before it was killed: {process.stdout and process.stdout.read().decode()}")
    manage(load.environment, *command[2:])
    return killed


def prove(load: Load, *options: str) -> dict[str, Any]:
    """The whole road under load; gives the numbers."""
    for number in range(2):
        load.start("work", f"work-{number}")
    load.settle()
    for number in range(SEARCHING):
        load.start("search", f"search-{number}")
    load.start("write")
    load.running.sort(key=lambda process: "work" in process.args[3])  # people first, to be stopped first
    time.sleep(5)
    began = time.monotonic()
    killed = reindex_killed(load, *options)
    built_s = time.monotonic() - began
    time.sleep(5)
    manage(load.environment, "rollback")
    time.sleep(5)
    manage(load.environment, "promote")
    time.sleep(5)
    load.stop("stop", SEARCHING + 1)
    load.settle()
    load.stop("stop-workers", 2)
    verified = manage(load.environment, "verify")
    searches = [load.report(f"search-{number}") for number in range(SEARCHING)]
    writes = load.report("write")
    names = {name for (name,) in load.rows("select name from search_app_document")}
    numbers = {
        "killed at": killed,
        "built_s": round(built_s, 1),
        "searches": searches,
        "writes": {k: v for k, v in writes.items() if k not in ("alive", "gone")},
        "verify": verified.strip(),
    }
    if name := os.environ.get("SIEVE_REINDEX_REPORT"):
        with Path(name).open("a") as file:
            file.write(json.dumps(numbers, indent=1) + "\n")
    for one in searches:
        counts = one["counts"]
        assert counts["searches"] > 0
        assert counts.get("failed", 0) == 0, one["wrong"]
        assert (counts["empty"], counts["lost"]) == (0, 0), numbers
    assert "0 problems" in verified
    assert writes["alive"].keys() <= names
    assert not names & set(writes["gone"])
    return numbers


def test_nobody_notices_a_reindex_that_is_killed_promoted_rolled_back_and_promoted(load: Load) -> None:
    prove(load)


def test_nobody_notices_a_change_of_encoder(load: Load) -> None:
    prove(load, "--encoder", "hashing/hashing-96")
