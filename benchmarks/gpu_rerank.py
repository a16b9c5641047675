"""Rerankers in torch on a GPU: pairs/s, requests of 100 candidates by 1, 8 and 64 askers, the bf16 limit.

Two models: ms-marco-MiniLM-L-12-v2 (its torch copy, `manage.py models torch-copy`) and an XLM-R of 568 M
parameters with random weights, of the shape of BAAI/bge-reranker-v2-m3: speed does not depend on weights. The
requests go through the scheduler of the rerank worker, which merges what waits, so what is left out is only
the queue (`make bench-queue_hop`). Beside them stands sentence-transformers' `CrossEncoder.predict` with its
defaults, on the same pairs. `--small` tries the script where there is no GPU: its numbers say nothing.

    make setup-torch
    make bench-gpu_rerank
    make bench-gpu_rerank ARGS="--compile --tokens 128 256"
"""

import argparse
import dataclasses
import json
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from _common import percentiles, table, words, write

from rag.models import ModelStore
from rag.placement import Placement, get_torch, placement
from rag.rerank import cross_encoder
from rag.rerank.message import Job, Reply, Scored
from rag.rerank.pairs import PairReranker
from workers.app import MODEL_DIR
from workers.held import Held
from workers.scheduler import Scheduler

COPY = "ms-marco-MiniLM-L-12-v2-torch"
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
CANDIDATES = 100
QUERY = "how many people live in the city by the river"
GOALS = {"ratio": 3.0, "pairs_s L-12 at 128": 30_000.0, "p95_ms 568 M, one asker": 200.0}


def random_xlm_roberta(folder: Path, words_of: Path, *, small: bool) -> None:
    """A cross-encoder of the shape of bge-reranker-v2-m3 with random weights, and the words of another model:
    which word has which number is all the same to a clock."""
    import transformers

    torch = get_torch()
    config = transformers.XLMRobertaConfig(
        **(SMALL if small else LARGE),
        vocab_size=31_000 if small else 250_002,
        max_position_embeddings=514 if small else 8194,
        type_vocab_size=1,
        num_labels=1,
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = transformers.XLMRobertaForSequenceClassification(config)
    model.save_pretrained(folder)
    shutil.copyfile(words_of / "tokenizer.json", folder / "tokenizer.json")
    said = json.loads((words_of / "tokenizer_config.json").read_text("utf-8"))
    said |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(said), "utf-8")


def texts_of(reranker: PairReranker, tokens: int, count: int, *, spread: float = 0.0) -> list[str]:
    """Texts that make pairs of about so many tokens; with a spread, of lengths that differ by that part."""
    draw = random.Random(tokens)
    made = []
    for number in range(count):
        wanted = max(24, round(tokens * (1 + draw.uniform(-spread, spread))))
        text = words(number, wanted)
        while reranker.model.pairs(QUERY, [text])[0].tokens > wanted:
            text = text.rsplit(" ", max(1, len(text.split()) // 40))[0]
        made.append(text)
    return made


def flops(config: Any, tokens: int) -> float:
    """Multiplications and additions of one pair of so many tokens: projections, feed-forward, attention."""
    width, inner = config.hidden_size, config.intermediate_size
    a_token = 2 * (4 * width * width + 2 * width * inner) + 4 * tokens * width
    return float(config.num_hidden_layers * tokens * a_token)


def bf16_limit(at: Placement, size: int) -> float:
    """FLOP/s of one large product in the precision that is measured: what this chip gives at the best."""
    torch = get_torch()
    a, b = (torch.randn(size, size, device=at.device, dtype=getattr(torch, at.dtype)) for _ in "ab")
    best = float("inf")
    for _ in range(10):
        settle(at)
        began = time.perf_counter()
        a @ b
        settle(at)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best


def settle(at: Placement) -> None:
    if at.on_gpu:
        get_torch().cuda.synchronize()


def throughput(reranker: PairReranker, texts: list[str], seconds: float) -> float:
    """Pairs a second of one caller that never waits: tokenising, batching and computing."""
    reranker.score_texts(QUERY, texts, deadline=time.monotonic() + 600)
    scored, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        reranker.score_texts(QUERY, texts, deadline=time.monotonic() + 600)
        scored += len(texts)
    return scored / (time.perf_counter() - began)


def plain_predict(folder: Path, texts: list[str], seconds: float, device: str) -> float:
    """The same by sentence-transformers, its defaults: fp32, batches of 32."""
    from sentence_transformers import CrossEncoder

    theirs = CrossEncoder(str(folder), device=device, max_length=512)
    pairs = [(QUERY, text) for text in texts]
    theirs.predict(pairs)
    scored, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        theirs.predict(pairs)
        scored += len(pairs)
    return scored / (time.perf_counter() - began)


class Askers:
    """Callers in threads, each with one request on its way at a time, answered by the worker's scheduler."""

    def __init__(self, reranker: PairReranker) -> None:
        self._replies: dict[str, tuple[threading.Event, list[Reply]]] = {}
        self._held = Held(reranker.model)
        self._scheduler = Scheduler(self._answer, [self._held])

    def _answer(self, job: Job, reply: Reply) -> None:
        done, replies = self._replies[job.id]
        replies.append(reply)
        done.set()

    def ask(self, name: str, query: str, texts: tuple[str, ...]) -> float:
        """Milliseconds until all texts of a request have their scores."""
        done, replies = self._replies[name] = (threading.Event(), [])
        job = Job(id=name, query=query, texts=texts, reranker="", deadline=0.0, reply_to="")
        began = time.perf_counter()
        self._scheduler.submit(job, self._held, seconds=60)
        done.wait()
        took_ms = (time.perf_counter() - began) * 1000
        del self._replies[name]
        [reply] = replies
        if not isinstance(reply, Scored) or None in reply.values:
            raise SystemExit(f"A request was not scored in whole: {reply}")
        return took_ms

    def at_once(self, count: int, texts: list[str], seconds: float) -> dict[str, float]:
        took: list[float] = []
        until = time.perf_counter() + seconds
        began = time.perf_counter()

        def asker(number: int) -> None:
            draw, asked = random.Random(number), 0
            while time.perf_counter() < until:
                mine = tuple(draw.sample(texts, min(CANDIDATES, len(texts))))
                took.append(self.ask(f"{number}-{asked}", f"{QUERY} {number} {asked}", mine))
                asked += 1

        threads = [threading.Thread(target=asker, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cut = percentiles(took)
        rate = len(took) * min(CANDIDATES, len(texts)) / (time.perf_counter() - began)
        return {"askers": count, "requests": len(took), "pairs_s": rate} | {
            f"{k}_ms": v for k, v in cut.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--small", action="store_true", help="try the script: a tiny model, a second each")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", choices=("L-12", "568M"))
    options = parser.parse_args()
    at = dataclasses.replace(placement(), compiled=options.compile)
    if not at.on_gpu and not options.small:
        raise SystemExit("torch finds no GPU here. To try the script without one: ARGS=--small")
    seconds = 1.0 if options.small else options.seconds
    lengths = [64] if options.small else options.tokens
    torch = get_torch()
    device = torch.cuda.get_device_name(at.device) if at.on_gpu else "CPU"
    limit = bf16_limit(at, 512 if options.small else 8192)
    print(f"{device}, torch {torch.__version__}, {at.precision}, limit seen {limit / 1e12:.1f} TFLOP/s")
    copy = ModelStore(MODEL_DIR).path(COPY)
    result: dict[str, Any] = {"device": device, "limit_tflops": limit / 1e12, "goals": GOALS, "models": {}}
    with tempfile.TemporaryDirectory() as scratch:
        large = Path(scratch) / "xlm-roberta-568M"
        large.mkdir()
        if options.only != "L-12":
            random_xlm_roberta(large, copy, small=options.small)
        for name, folder in (("L-12", copy), ("568M", large)):
            if options.only in (None, name):
                result["models"][name] = measure(name, folder, at, lengths, seconds, limit, options.small)
    write("gpu_rerank", result)


def measure(
    name: str, folder: Path, at: Placement, lengths: list[int], seconds: float, limit: float, small: bool
) -> dict[str, Any]:
    reranker = cross_encoder.load(name, folder, at=at)
    config = reranker.model._runs.model.config  # type: ignore[attr-defined]
    speeds = []
    for tokens in lengths:
        texts = texts_of(reranker, tokens, 16 if small else 1000)
        ours = throughput(reranker, texts, seconds)
        theirs = plain_predict(folder, texts, seconds, at.device)
        of_limit = ours * flops(config, tokens) / limit
        speeds.append(
            {"tokens": tokens, "pairs_s": ours, "tokens_s": ours * tokens, "of_limit": of_limit}
            | {"predict_pairs_s": theirs, "ratio": ours / theirs}
        )
    table(f"{name}: one caller that never waits", speeds)
    askers = Askers(reranker)
    texts = texts_of(reranker, 64 if small else 128, 24 if small else 500, spread=0.5)
    requests = [askers.at_once(count, texts, seconds) for count in ((1, 2) if small else (1, 8, 64))]
    table(
        f"{name}: requests of {CANDIDATES} candidates of some 128 tokens, half as many to half more", requests
    )
    return {"speeds": speeds, "requests": requests}


if __name__ == "__main__":
    main()
