"""kill -9 in the middle of an ingest, at random moments, by the real command with the real model."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = ("ferry", "pier", "lighthouse", "granite", "storm", "keeper", "lamp", "harbour", "rope", "anchor")
DEATHS = 10
FILES = 40


def write(folder: Path, seed: int, count: int = FILES) -> None:
    """Markdown, text, HTML and CSV files with one to four passages each."""
    rng = random.Random(seed)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        lines = [
            f"File {number} says {' '.join(rng.choices(WORDS, k=12))}." for _ in range(rng.randint(2, 12))
        ]
        text = "\n\n".join(lines)
        match number % 4:
            case 0:
                (folder / f"{number}.md").write_text(f"# Number {number}\n\n{text}\n")
            case 1:
                (folder / f"{number}.txt").write_text(text)
            case 2:
                (folder / f"{number}.html").write_text(f"<h1>Number {number}</h1><p>{text}</p>")
            case 3:
                (folder / f"{number}.csv").write_text(
                    "a,b\n" + "\n".join(f"{n},{w}" for n, w in enumerate(lines))
                )


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.models
def test_ten_deaths_lose_nothing_and_leave_nothing_twice(tmp_path: Path) -> None:
    environment = os.environ | {"SIEVE_DATA_DIR": str(tmp_path / "data")}
    folder = tmp_path / "files"
    write(folder, 1)
    assert manage(environment, "migrate", "--verbosity", "0").returncode == 0
    ingest = ("ingest", str(folder), "--collection", "notes")
    began = time.monotonic()
    assert manage(environment, *ingest, "--dry-run").returncode == 0
    start = time.monotonic() - began  # dying while Python starts would show nothing
    rng = random.Random()
    deaths = 0
    for death in range(DEATHS):
        if death == DEATHS // 2:  # the second half replaces versions that are there already
            assert manage(environment, *ingest).returncode == 0
            write(folder, 2)
        process = subprocess.Popen(
            [sys.executable, "manage.py", *ingest],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(start + rng.uniform(0.0, 2.0))
        deaths += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert deaths >= DEATHS // 2, "the runs ended before they could be killed"
    last = manage(environment, *ingest)
    assert last.returncode == 0, last.stderr
    counts = [line.split() for line in last.stdout.splitlines() if line.startswith("all ")]
    _, indexed, unchanged, failed, files = (int(n) if n.isdigit() else n for n in counts[0])
    assert (indexed + unchanged, failed, files) == (FILES, 0, FILES)
    verified = manage(environment, "verify")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.splitlines()[-1].startswith(f"{FILES} documents, ")
    again = manage(environment, *ingest)
    assert [line.split()[1:] for line in again.stdout.splitlines() if line.startswith("all ")] == [
        ["0", str(FILES), "0", str(FILES)]
    ]
