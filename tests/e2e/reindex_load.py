"""People and workers beside a re-index, each a process of the application's own code.

`python -m tests.e2e.reindex_load seed|search|write|work NAME FOLDER` runs until FOLDER/stop is there (a
worker: FOLDER/stop-workers) and leaves FOLDER/NAME.json with what it saw. Documents named steady-* are
never touched: each has a word of its own, by which it must be found at any moment.
"""

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "search_app.settings")
django.setup()

from django.db import connection  # noqa: E402

from rag.spec import EncoderSpec  # noqa: E402
from search_app import asking, pipelines, services, uploads  # noqa: E402
from search_app.access import OPERATOR  # noqa: E402
from search_app.models import Document, PipelineVersion  # noqa: E402
from workers import ingest  # noqa: E402

COLLECTION = "papers"
STEADY = 600
CHANGING = 400
SPEED = float(os.environ.get("SIEVE_REINDEX_SPEED") or 1)
SEARCHES, WRITES, DELETES = 50.0 * SPEED, 20.0 * SPEED, 5.0 * SPEED
"""A second."""
SEARCHING = 2
"""Processes, which share the rate."""
SEARCHERS = 4
"""Threads of each."""
WORDS = ("ferry", "pier", "lighthouse", "granite", "storm", "keeper", "lamp", "harbour", "rope", "anchor")


def content(word: str, seed: object) -> bytes:
    """A document of three to six passages, each with the word that no other document has."""
    draw = random.Random(str(seed))
    parts = [
        f"Of {word} it is said: {' '.join(draw.choices(WORDS, k=40))}." for _ in range(draw.randint(3, 6))
    ]
    return (f"# About {word}\n\n" + "\n\n".join(parts) + "\n").encode()


def put(name: str, data: bytes) -> None:
    uploads.put(services.collection(COLLECTION), uploads.arrive(name, [data]))


def steady_word(number: int) -> str:
    return f"steadyword{number:04}"


class Pace:
    """So many turns a second, shared by threads; who comes late hurries."""

    def __init__(self, rate: float, stop: Path) -> None:
        self._gap, self._stop = 1 / rate, stop
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def turn(self) -> bool:
        with self._lock:
            at = self._next
            self._next += self._gap
        while (left := at - time.monotonic()) > 0:
            if self._stop.exists():
                return False
            time.sleep(min(left, 0.2))
        return not self._stop.exists()


def seed(folder: Path) -> dict[str, Any]:
    """The default pipeline by hashing, and the documents, queued."""
    spec = pipelines.from_file("default").as_dict()
    spec |= {"encoder": {"backend": "hashing", "model": "hashing"}, "rerank": None, "generate": None}
    spec |= {"split": {"max_tokens": 64, "overlap_tokens": 0}, "late": None}
    spec["fuse"] |= {"depth": 10}
    PipelineVersion.objects.create(
        name="default",
        version=1,
        spec=spec,
        fingerprint=pipelines.specs.from_mapping(spec).fingerprint,
        active=True,
    )
    assert pipelines.default().encoder == EncoderSpec(backend="hashing", model="hashing")
    for number in range(STEADY):
        put(f"steady-{number:04}.md", content(steady_word(number), number))
    for number in range(CHANGING):
        put(f"paper-{number:05}.md", content(f"paperword{number:05}x0", number))
    return {}


def search(folder: Path) -> dict[str, Any]:
    ids = dict(Document.objects.filter(name__startswith="steady-").values_list("name", "pk"))
    pace, counts, times, wrong = Pace(SEARCHES / SEARCHING, folder / "stop"), Counter[str](), [], []
    began = time.monotonic()

    def run(number: int) -> None:
        draw = random.Random()
        while pace.turn():
            steady = draw.randrange(STEADY)
            started = time.perf_counter()
            try:
                trace = asking.ask(steady_word(steady), viewer=OPERATOR, collections=[COLLECTION]).finish()
            except Exception as error:
                counts["failed"] += 1
                wrong.append(f"{type(error).__name__}: {error}")
                continue
            times.append((time.perf_counter() - started) * 1000)
            found = {c.passage.document_id for c in trace.final}
            counts["searches"] += 1
            counts["empty"] += not found
            counts["lost"] += bool(found) and str(ids[f"steady-{steady:04}.md"]) not in found
            counts["degraded"] += bool(trace.degraded)
            counts["partial"] += bool(trace.partial_index)
            counts[f"by {trace.index_version.rpartition('-')[2]}"] += 1
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(SEARCHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    elapsed = time.monotonic() - began
    share = {f"p{p}_ms": times[min(len(times) - 1, len(times) * p // 100)] for p in (50, 95, 99)}
    return {"counts": counts, "wrong": wrong[:20], "a_second": counts["searches"] / elapsed, **share}


def write(folder: Path) -> dict[str, Any]:
    """New, replaced and deleted documents; gives name → revision for what must be there at the end."""
    draw = random.Random(7)
    alive = {f"paper-{number:05}.md": 0 for number in range(CHANGING)}
    gone: list[str] = []
    next_number = CHANGING
    pace, counts = Pace(WRITES + DELETES, folder / "stop"), Counter[str]()
    began, turn = time.monotonic(), 0
    while pace.turn():
        turn += 1
        if turn % round((WRITES + DELETES) / DELETES) == 0 and alive:
            name = draw.choice(sorted(alive))
            uploads.delete(Document.objects.filter(name=name))
            del alive[name]
            gone.append(name)
            counts["deleted"] += 1
            continue
        if draw.random() < 0.5 and alive:
            name = draw.choice(sorted(alive))
            revision = alive[name] + 1
            counts["replaced"] += 1
        else:
            name, revision = f"paper-{next_number:05}.md", 0
            next_number += 1
            counts["new"] += 1
        word = f"paperword{name[6:11]}x{revision}"
        put(name, content(word, word))
        alive[name] = revision
    elapsed = time.monotonic() - began
    writes = counts["new"] + counts["replaced"]
    return {
        "counts": counts,
        "alive": alive,
        "gone": gone,
        "writes_a_second": writes / elapsed,
        "deletes_a_second": counts["deleted"] / elapsed,
    }


def work(folder: Path) -> dict[str, Any]:
    rounds = Counter[str]()
    while not (folder / "stop-workers").exists():
        rounds["more" if ingest.work() else "nothing"] += 1
        time.sleep(0.05)
    return {"rounds": rounds}


MODES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "seed": seed,
    "search": search,
    "write": write,
    "work": work,
}

if __name__ == "__main__":
    mode, label, where = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    (where / f"{label}.json").write_text(json.dumps(MODES[mode](where)))
