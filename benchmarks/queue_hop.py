"""What the way to the rerank worker and back costs: sent → result, less the computing.

Part of `make bench-app`; alone: `python benchmarks/queue_hop.py`.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

from _common import ROOT, percentiles, table, words, write

ROUNDS = 150
SHAPES = ((1, 8), (16, 8), (16, 60), (16, 200))
"""Texts of a job, and words of each."""


def measure(queue_url: str) -> list[dict[str, object]]:
    from rag.models import ModelStore
    from rag.rerank import message
    from rag.rerank.onnx import fingerprint
    from search_app.dispatch import QueuedReranker, _client

    model = ModelStore(Path(os.environ["SIEVE_MODEL_DIR"])).model("ms-marco-MiniLM-L-12-v2-int8")
    digest = next(file.sha256 for file in model.files if file.name == "model.onnx")
    reranker = QueuedReranker(fingerprint(model.name, digest), queue_url)
    client = _client(queue_url)
    rows: list[dict[str, object]] = []
    for texts, length in SHAPES:
        job = [words(seed, length) for seed in range(texts)]
        hops, computed = [], []
        rounds = ROUNDS if texts * length < 500 else 20
        for number in range(-3, rounds):  # the first three warm up
            began = time.perf_counter()
            scores = reranker.score_texts("what happens then", job, deadline=time.monotonic() + 30)
            elapsed_ms = (time.perf_counter() - began) * 1000
            if number >= 0:
                hops.append(elapsed_ms - scores.compute_ms)
                computed.append(scores.compute_ms)
        sends = []
        plain = message.to_plain(client.job("q", job, "nobody", 0.0))
        for _ in range(50):  # jobs whose time is over: only the sending costs
            began = time.perf_counter()
            client.send(message.SCORE, [plain], queue=message.RERANK)
            sends.append((time.perf_counter() - began) * 1000)
        time.sleep(0.5)
        rows.append(
            {
                "job": f"{texts} x {length} words",
                "compute p50": statistics.median(computed),
                **{f"hop {name}": value for name, value in percentiles(hops).items()},
                "sending p50": statistics.median(sends),
            }
        )
    return rows


def main() -> None:
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
            rows = measure(stack.queue_url)
    os.environ["SIEVE_DATA_DIR"] = str(data)
    table("Queue hop, milliseconds: sent to result, less the computing", rows)
    write("queue_hop", {"hop_ms": rows})


if __name__ == "__main__":
    main()
