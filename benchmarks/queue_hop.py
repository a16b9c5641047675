"""What the way to the rerank worker and back costs: sent → result, less the computing.

Part of `make bench-app`; alone: `make bench-queue_hop`, `ARGS="--seconds 20"`. The real worker with the real
model behind the real queue, and askers in threads of one process, as in the web server. Askers at once offer
the worker more than it can compute, so that most of their time is spent waiting for the cores: what the
worker says it computed for others meanwhile is taken off as well, and stands in a column of its own.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from _common import ROOT, percentiles, table, words, write

ROUNDS = 150
SHAPES = ((1, 8), (16, 8), (16, 60), (16, 200))
"""Texts of a job, and words of each."""
ASKERS = (1, 8, 32)
PAUSE_S = 0.03
"""Mean pause of an asker between two jobs, for each asker there is: all of them offer the same load."""


def measure(queue_url: str, seconds: float = 8.0) -> dict[str, list[dict[str, object]]]:
    from rag.models import ModelStore
    from rag.rerank.onnx import fingerprint
    from search_app import dispatch

    model = ModelStore(Path(os.environ["SIEVE_MODEL_DIR"])).model("ms-marco-MiniLM-L-12-v2-int8")
    digest = next(file.sha256 for file in model.files if file.name == "model.onnx")
    client = dispatch._client(queue_url)
    asker = Asker(client, fingerprint(model.name, digest))
    shapes = []
    for texts, length in SHAPES:
        job = [words(seed, length) for seed in range(texts)]
        rounds = ROUNDS if texts * length < 500 else 20
        runs = [asker.ask(job) for _ in range(rounds + 3)][3:]  # the first three warm up
        shapes.append(
            {"job": f"{texts} x {length} words", **summary(runs), "sending p50": sending(client, job)}
        )
    crowds = []
    for askers in ASKERS:
        for pause_s in (0.0, PAUSE_S * askers):
            runs = crowd(asker, askers, pause_s, seconds)
            mean = "in a row" if not pause_s else f"every {1000 * pause_s:.0f} ms"
            rate = len(runs) / seconds
            crowds.append({"askers": askers, "each asks": mean, "jobs/s": rate, **summary(runs)})
    return {"hop_ms": shapes, "askers_ms": crowds}


class Asker:
    """Asks as `QueuedReranker` does, and keeps what the worker says of its time."""

    def __init__(self, client: object, fingerprint: str) -> None:
        self.client, self.fingerprint = client, fingerprint

    def ask(self, texts: list[str]) -> tuple[float, float, float]:
        """Milliseconds: of the hop, of the computing, of waiting for the cores in the worker's hands."""
        from rag.rerank import message
        from search_app import dispatch

        began = time.perf_counter()
        until = time.monotonic() + 30
        reranker = dispatch.QueuedReranker(self.fingerprint, "")
        able = reranker._able(self.client, until)
        job = self.client.job("what happens then", texts, self.fingerprint, 30.0)
        self.client.post(message.SCORE, [job], queue=message.RERANK, until=until)
        reply = reranker._wait(self.client, job, until, able)
        elapsed_ms = (time.perf_counter() - began) * 1000
        return elapsed_ms - reply.compute_ms - reply.wait_ms, reply.compute_ms, reply.wait_ms


def crowd(asker: Asker, askers: int, pause_s: float, seconds: float) -> list[tuple[float, float, float]]:
    """All runs of so many askers in so many seconds; each pauses for a random time of this mean."""
    import random

    job = [words(1, 8)]
    asker.ask(job)
    done: list[tuple[float, float, float]] = []
    end = time.monotonic() + seconds

    def loop(seed: int) -> None:
        draw = random.Random(seed)
        while time.monotonic() < end:
            if pause_s:
                time.sleep(draw.expovariate(1 / pause_s))
            done.append(asker.ask(job))

    threads = [threading.Thread(target=loop, args=(seed,)) for seed in range(askers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def summary(runs: list[tuple[float, float, float]]) -> dict[str, float]:
    hops, computed, waited = zip(*runs, strict=True)
    return {
        **{f"hop {name}": value for name, value in percentiles(hops).items()},
        "hop p99": statistics.quantiles(hops, n=100)[98],
        "compute p50": statistics.median(computed),
        "for others p50": statistics.median(waited),
    }


def sending(client: object, texts: list[str]) -> float:
    """Median milliseconds of sending alone: of jobs whose time is over."""
    from rag.rerank import message

    took = []
    for _ in range(50):
        job = client.job("q", texts, "nobody", 0.0)
        began = time.perf_counter()
        client.post(message.SCORE, [job], queue=message.RERANK, until=time.monotonic() + 10)
        took.append((time.perf_counter() - began) * 1000)
    time.sleep(0.5)
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each number of askers")
    seconds: float = parser.parse_args().seconds
    data = Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var")
    os.environ.setdefault("SIEVE_MODEL_DIR", str(data.absolute() / "models"))
    from scripts.stack import Stack

    with tempfile.TemporaryDirectory(prefix="sieve-hop-") as folder:
        settings = {"DJANGO_SETTINGS_MODULE": "search_app.settings", "SIEVE_DATA_DIR": folder}
        os.environ.update(settings)
        with Stack(Path(folder), parts=("redis", "rerank")) as stack:
            os.environ["SIEVE_QUEUE"] = stack.queue_url
            import django

            django.setup()
            stack.wait_until_ready()
            found = measure(stack.queue_url, seconds)
    os.environ["SIEVE_DATA_DIR"] = str(data)
    table("Queue hop, milliseconds: sent to result, less the computing", found["hop_ms"])
    table("The same with several askers at once, one text of 8 words each", found["askers_ms"])
    write("queue_hop", found)


if __name__ == "__main__":
    main()
