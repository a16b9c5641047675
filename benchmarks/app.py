"""The whole application beside its bare pipeline: requests, queue, first passages, memory. `make bench-app`.

Texts are invented from the handbook's vocabulary; everything else is the real thing: Redis, both workers
and the web server, in a data folder that is thrown away.
"""

import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import queue_hop
from _common import ROOT, percentiles, table, words, write
from road import make_files

CLIENTS = (1, 4, 16)
REQUESTS = int(os.environ.get("SIEVE_BENCH_REQUESTS") or 48)
"""At each number of clients."""
STREAMS = 12
QUESTIONS = [words(7_000 + i, 9) for i in range(40)]

Ask = Callable[[str], dict[str, Any]]
"""A question → milliseconds of its rerank stage and how many candidates it scored."""


def load(clients: int, make: Callable[[], Ask]) -> dict[str, float]:
    """Requests a second and milliseconds, with so many clients that ask one question after the other."""
    questions = itertools.cycle(QUESTIONS)
    left = iter(range(REQUESTS))
    lock = threading.Lock()
    taken: list[float] = []
    said: list[dict[str, Any]] = []
    failed: list[BaseException] = []

    def client() -> None:
        try:
            ask = make()
            ask(QUESTIONS[0])  # a connection, a thread, a model: warm
            start.wait()
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                    question = next(questions)
                began = time.perf_counter()
                answer = ask(question)
                ms = (time.perf_counter() - began) * 1000
                with lock:
                    taken.append(ms)
                    said.append(answer)
        except BaseException as error:
            failed.append(error)
            start.abort()

    start = threading.Barrier(clients + 1)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    start.wait(timeout=120)
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return {
        "per s": len(taken) / (time.perf_counter() - began),
        **percentiles(taken),
        "waiting p50": statistics.median(answer["waiting"] for answer in said),
        "scored": statistics.median(answer["scored"] for answer in said),
    }


def bare() -> list[dict[str, float]]:
    """The pipeline itself, without an answer: no access, no row, no request."""
    import msgspec

    from rag.types import Query
    from search_app import pipelines

    pipeline = pipelines.build("bench", msgspec.structs.replace(pipelines.default(), generate=None))

    def ask(question: str) -> dict[str, Any]:
        trace = pipeline.answer(Query(id="bench", text=question, collections=("bench",)))
        stage = next(t for t in trace.timings if t.step == "reranked")
        return {"waiting": stage.elapsed_ms - (stage.compute_ms or 0.0), "scored": trace.rerank.scored}

    return [load(clients, lambda: ask) for clients in CLIENTS]


def served(port: int, key: str) -> list[dict[str, float]]:
    """`POST /api/v1/search` on connections that stay open."""

    def make() -> Ask:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}

        def ask(question: str) -> dict[str, Any]:
            connection.request("POST", "/api/v1/search", json.dumps({"question": question}), headers)
            response = connection.getresponse()
            body = json.loads(response.read())
            if response.status != 200:
                raise RuntimeError(f"status {response.status}: {body}")
            stage = next((t for t in body["timings"] if t["step"] == "reranked"), None)
            waiting = stage["elapsed_ms"] - (stage["compute_ms"] or 0.0) if stage else 0.0
            return {"waiting": waiting, "scored": body["rerank"]["scored"]}

        return ask

    return [load(clients, make) for clients in CLIENTS]


def first_passages(port: int) -> dict[str, float]:
    """On the page's stream: milliseconds until the first passages are there, and until the answer is."""
    first, last = [], []
    for number in range(-2, STREAMS):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with closing(connection):
            began = time.perf_counter()
            connection.request("GET", "/ask/stream?q=" + QUESTIONS[number].replace(" ", "+").replace("#", ""))
            response = connection.getresponse()
            seen: float | None = None
            for line in response:
                if seen is None and line.startswith(b"event: "):
                    if line.strip() == b"event: failed":
                        raise RuntimeError(next(response).decode())
                    seen = (time.perf_counter() - began) * 1000
            if number >= 0 and seen is not None:
                first.append(seen)
                last.append((time.perf_counter() - began) * 1000)
    return {f"first passages {k}": v for k, v in percentiles(first).items()} | {
        f"whole answer {k}": v for k, v in percentiles(last).items()
    }


def memory(pids: dict[str, int]) -> list[dict[str, object]]:
    """MB of each part with its children. PSS counts what processes share once."""
    import psutil

    rows = []
    for name, pid in pids.items():
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        of = [process.memory_full_info() for process in family]
        rows.append(
            {
                "part": name,
                "processes": len(family),
                "rss": float(sum(m.rss for m in of) // 2**20),
                "pss": float(sum(m.pss for m in of) // 2**20),
            }
        )
    total = {"part": "together", "processes": sum(row["processes"] for row in rows)}
    return [*rows, total | {k: sum(row[k] for row in rows) for k in ("rss", "pss")}]


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def main() -> None:
    kept = Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var").absolute()
    os.environ.setdefault("SIEVE_MODEL_DIR", str(kept / "models"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "search_app.settings"
    from scripts.stack import Stack

    with tempfile.TemporaryDirectory(prefix="sieve-bench-") as folder:
        os.environ["SIEVE_DATA_DIR"] = folder
        rates = {f"SIEVE_API_RATE_{who}": "1000000/minute" for who in ("KEY", "USER", "ANONYMOUS")}
        log: list[str] = []
        stack = Stack(Path(folder), environment=rates | {"SIEVE_LOG_LEVEL": "WARNING"}, say=log.append)
        files = Path(folder) / "bench-files"
        files.mkdir()
        make_files(files)
        manage(stack.environment, "migrate", "--verbosity", "0")
        manage(stack.environment, "first_admin")
        manage(stack.environment, "ingest", str(files), "--collection", "bench")
        key = manage(stack.environment, "api_key", "create", "admin", "bench").split()[-1]
        import django

        django.setup()
        alone = bare()
        with stack:
            stack.wait_until_ready()
            with_app = served(stack.port, key)
            streamed = first_passages(stack.port)
            weight = memory(stack.pids())
            hops = queue_hop.measure(stack.queue_url)["hop_ms"]
        if log:
            print("\nThe parts said:", *log[-20:], sep="\n  ")
    rows = [
        {"": f"{who}, {clients} clients", **of}
        for clients, *both in zip(CLIENTS, alone, with_app, strict=True)
        for who, of in zip(("bare pipeline", "application"), both, strict=True)
    ]
    table("Search without an answer: requests a second, milliseconds, candidates scored", rows)
    table("Queue hop, milliseconds: sent to result, less the computing", hops)
    table("The page's stream, milliseconds", [streamed])
    table("Memory, MB", weight)
    os.environ["SIEVE_DATA_DIR"] = str(kept)
    write("app", {"search": rows, "hop_ms": hops, "stream_ms": streamed, "memory_mb": weight})


if __name__ == "__main__":
    main()
