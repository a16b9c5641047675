"""What is served, and how its folder is made from a model of the store."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.opensearch.trouble import Trouble
from scripts.setup import PYTHON, ROOT, model_dir


@dataclass(frozen=True, slots=True)
class Served:
    """A model as a server of ours gives it."""

    name: str
    """Of the server."""
    model: str
    """In requests."""
    source: str
    """In the store."""
    services: tuple[tuple[str, str, str], ...]
    """Services of a pipeline: name, dialect, and what their address has after the server's own."""
    arguments: tuple[str, ...]


EAGER = "--enforce-eager"
"""Answers a minute earlier, and computes a little slower: nothing is compiled first."""
SMALL = ("--max-num-seqs", "16", "--max-num-batched-tokens", "2048", EAGER)
REMEMBERS = ("--enable-prefix-caching", "--enable-prompt-tokens-details")
"""Reads the same beginning of a prompt once, and says in each answer how much of it that was."""
CHAT = ("--dtype", "bfloat16", "--max-model-len", "8192", *REMEMBERS, *SMALL)
CROSS = ("--dtype", "float32", "--max-model-len", "512", "--runner", "pooling", *SMALL)
SERVED = {
    "chat": Served(
        "chat",
        "smollm2-135m-instruct",
        "smollm2-135m-instruct-q4_1",
        (("vllm-chat", "openai", "/v1"),),
        CHAT,
    ),
    "chat-large": Served(
        "chat-large",
        "qwen2.5-coder-1.5b-instruct",
        "qwen2.5-coder-1.5b-instruct-q4_k_m",
        (("vllm-chat-large", "openai", "/v1"),),
        CHAT,
    ),
    "rerank": Served(
        "rerank",
        "ms-marco-MiniLM-L-12-v2",
        "ms-marco-MiniLM-L-12-v2-int8",
        (("vllm-rerank", "vllm_rerank", ""), ("vllm-score", "vllm_score", "")),
        CROSS,
    ),
}


def ensure(served: Served, folder: Path, python: Path, say: Callable[[str], None]) -> Path:
    """The folder that vLLM reads, made where it is not yet; whole or not at all. Raises `Trouble`."""
    home = folder / served.model
    if home.is_dir():
        return home
    say(f"Making the folder of {served.model} that vLLM reads")
    _run([PYTHON, ROOT / "manage.py", "models", "pull", served.source])
    making = home.with_name(home.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    _run([python, "-m", "scripts.vllm.from_store", model_dir() / served.source, making])
    making.rename(home)
    return home


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1"} if command[0] != PYTHON else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-12:])
        raise Trouble(f"{' '.join(map(str, command[1:4]))} failed; it says:\n{said}")
