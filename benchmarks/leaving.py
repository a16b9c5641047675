"""Askers who leave, and askers who read slowly: what stays behind, and what the others feel of it.

    make bench-leaving, ARGS="--leavers 500 --slow 200"

The real web server, and a server that writes a scripted answer slowly in the place of a language model.
"""

import argparse
import tempfile
import time
from pathlib import Path

from _common import ROOT, table, write

from tests.faults.writer import Writer
from tests.readers import SlowReaders, lateness, leave, p50, search_ms
from tests.served import Served, prepared

TEXT = ["The handbook says that this is so. [1] "] * 40
WAYS = {"before the first word": (b"event: passages", 8.0), "while it is written": (b"event: answer", 0.3)}
"""What a reader waits for before he leaves, and how long the model reads the prompt."""


def resources(served: Served) -> dict[str, object]:
    worker = served.worker
    with worker.oneshot():
        memory = worker.memory_full_info().uss / 2**20
        return {"threads": worker.num_threads(), "descriptors": worker.num_fds(), "memory MB": memory}


def leaving(served: Served, writer: Writer, leavers: int, rounds: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [{"": "at first"} | resources(served)]
    number = 0
    for round_ in range(rounds):
        for way, (wait_for, first_s) in WAYS.items():
            writer.first_s, writer.gap_s, writer.say = first_s, 0.25, lambda body: TEXT
            writer.asked.clear()
            numbers = range(number, number + leavers)
            number += leavers
            gone = leave(served.url, numbers, wait_for=wait_for)
            time.sleep(3)
            late = sorted(lateness(gone, writer.asked))
            rows.append(
                {
                    "": f"round {round_ + 1}, {way}",
                    "left": sum(one.saw for one in gone),
                    "asked of the model": len(late),
                    "closed after p50 s": p50(late) if late else 0.0,
                    "longest s": late[-1] if late else 0.0,
                    "within 1 s": sum(one <= 1.0 for one in late),
                    "still open": writer.open,
                }
                | resources(served)
            )
    return rows


def slow(served: Served, writer: Writer, readers: int, searches: int) -> list[dict[str, object]]:
    search_ms(served.url, 60)
    rows: list[dict[str, object]] = []

    def row(name: str, took: list[float]) -> None:
        share = p50(took) / float(str(rows[0]["p50 ms"])) if rows else 1.0
        said = {"": name, "searches": len(took), "p50 ms": p50(took), "worst ms": max(took)}
        rows.append(said | {"of alone": share, "answers being written": writer.open})

    row("alone", search_ms(served.url, searches))
    writer.first_s, writer.gap_s, writer.say = 0.1, 1.0, lambda body: TEXT * 3
    with SlowReaders(served.url, readers) as crowd:
        began = time.monotonic()
        while writer.open < readers and time.monotonic() - began < 30:
            crowd.read()
            time.sleep(0.2)
        time.sleep(3)
        row("while their answers are written", search_ms(served.url, searches, crowd))
    time.sleep(3)
    row("alone again", search_ms(served.url, searches))
    writer.first_s, writer.gap_s, writer.say = 0.1, 0.01, lambda body: TEXT
    writer.asked.clear()
    with SlowReaders(served.url, readers) as crowd:
        began = time.monotonic()
        while (len(writer.asked) < readers or writer.open) and time.monotonic() - began < 60:
            crowd.read()
            time.sleep(0.2)
        row("while they read them", search_ms(served.url, searches, crowd))
    time.sleep(3)
    row("alone again", search_ms(served.url, searches))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leavers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--searches", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Writer() as writer:
        pages = sorted((ROOT / "docs").glob("*.md"))
        with prepared(Path(folder) / "data", writer.url, {"handbook": pages}) as served:
            found: dict[str, object] = {}
            if options.slow:
                found["slow"] = slow(served, writer, options.slow, options.searches)
                table(f"A search beside {options.slow} slow readers", found["slow"])
            if options.leavers:
                found["leaving"] = leaving(served, writer, options.leavers, options.rounds)
                table(f"{options.leavers} askers who leave", found["leaving"])
            print(served.log[-3000:])
    write("leaving", found)


if __name__ == "__main__":
    main()
