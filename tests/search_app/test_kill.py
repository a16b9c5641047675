"""kill -9 in the middle of an ingest, at random moments, by the real processes with the real model."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = ("ferry", "pier", "lighthouse", "granite", "storm", "keeper", "lamp", "harbour", "rope", "anchor")
DEATHS = 10
WAITING = "SELECT 1 FROM search_app_document WHERE state IN ('queued', 'working')"
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


def rows(environment: dict[str, str], sql: str) -> list[tuple[object, ...]]:
    with closing(
        sqlite3.connect(Path(environment["SIEVE_DATA_DIR"]) / "sieve.sqlite3", timeout=30)
    ) as database:
        return database.execute(sql).fetchall()


def kill_at_work(environment: dict[str, str], command: list[str], rng: random.Random) -> bool:
    """Start it, wait for its first claims, kill it a moment later; says whether it was still at work."""
    claimed = "SELECT coalesce(sum(attempts), 0), coalesce(sum(fence), 0) FROM search_app_document"
    before = rows(environment, claimed)
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    patience = time.monotonic() + 60  # what has had its attempts is claimed no more
    while process.poll() is None and rows(environment, claimed) == before and time.monotonic() < patience:
        time.sleep(0.02)
    time.sleep(rng.uniform(0.0, 1.0))
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


def verified(environment: dict[str, str], documents: int) -> None:
    done = manage(environment, "verify")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"{documents} documents, ")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    environment = os.environ | {"SIEVE_DATA_DIR": str(tmp_path / "data")}
    assert manage(environment, "migrate", "--verbosity", "0").returncode == 0
    return environment


@pytest.mark.slow
@pytest.mark.models
def test_ten_deaths_of_the_command_lose_nothing_and_leave_nothing_twice(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "files"
    write(folder, 1)
    ingest = ("ingest", str(folder), "--collection", "notes")
    rng = random.Random()
    deaths = 0
    for death in range(DEATHS):
        if death == DEATHS // 2:  # the second half replaces versions that are there already
            assert manage(environment, *ingest).returncode == 0
        if death == DEATHS // 2 or not rows(environment, WAITING):
            write(folder, 2 + death)
        deaths += kill_at_work(environment, [sys.executable, "manage.py", *ingest], rng)
    assert deaths >= DEATHS // 2, "the runs ended before they could be killed"
    last = manage(environment, *ingest)
    assert last.returncode == 0, last.stderr
    counts = [line.split() for line in last.stdout.splitlines() if line.startswith("all ")]
    _, indexed, unchanged, failed, files = (int(n) if n.isdigit() else n for n in counts[0])
    assert (indexed + unchanged, failed, files) == (FILES, 0, FILES)
    verified(environment, FILES)
    again = manage(environment, *ingest)
    assert [line.split()[1:] for line in again.stdout.splitlines() if line.startswith("all ")] == [
        ["0", str(FILES), "0", str(FILES)]
    ]


SETUP = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'search_app.settings'; django.setup()\n"
WORKER = """
import sys, time
from workers import ingest
while ingest.tick() or '--forever' in sys.argv:
    ingest.work() or time.sleep(0.05)
"""
UPLOAD = (
    SETUP
    + """
import sys
from pathlib import Path
from search_app import services, uploads
notes = services.collection("notes")
files = sorted(Path(sys.argv[1]).iterdir())
uploads.put(notes, [a for file in files for a in uploads.arrive(file.name, [file.read_bytes()])])
"""
)
DELETE = (
    SETUP
    + """
from search_app import uploads
from search_app.models import Document
assert uploads.delete(Document.objects.filter(name__startswith="1")) == 11
"""
)


def python(environment: dict[str, str], code: str, *arguments: str) -> None:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.models
def test_ten_deaths_of_the_worker_between_upload_replacement_and_deletion(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "files"
    write(folder, 1)
    python(environment, UPLOAD, str(folder))
    rng = random.Random()
    deaths = 0
    for death in range(DEATHS):
        if death == 7:
            python(environment, DELETE)
        idle = not rows(environment, WAITING)
        if death == 4 or idle:  # whatever is there now, found or not, gets new content
            write(folder, 2 + death)
            if death >= 7:
                for deleted in folder.glob("1*"):
                    deleted.unlink()
            python(environment, UPLOAD, str(folder))
        deaths += kill_at_work(environment, [sys.executable, "-c", WORKER, "--forever"], rng)
    assert deaths == DEATHS
    python(environment, WORKER)
    left = FILES - 11
    states = rows(
        environment, "SELECT state, count(*), max(attempts) FROM search_app_document GROUP BY state"
    )
    unlucky = sum(count for state, count, _ in states if state == "failed")
    assert {state for state, _, _ in states} <= {"searchable", "failed"}, states
    assert sum(count for _, count, _ in states) == left
    assert unlucky <= DEATHS // 3  # it takes three deaths to fail one
    reasons = rows(environment, "SELECT reason FROM search_app_document WHERE state = 'failed'")
    assert all("stopped three times" in str(reason) for (reason,) in reasons)
    searchable = rows(environment, "SELECT count(*) FROM search_app_document WHERE version > 0")
    verified(environment, int(str(searchable[0][0])))
    assert rows(environment, "SELECT count(*) FROM search_app_removal") == [(0,)]
