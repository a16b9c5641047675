"""The vLLM servers that `make vllm` started, for tests; without them the tests are skipped and say why.

@pytest.mark.vllm("rerank")
def test_something() -> None:
    served = vllm.running("rerank")
"""

import json
import os
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from rag.services import Service
from scripts.vllm.models import SERVED

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Running:
    url: str
    model: str
    services: dict[str, Service]
    """By dialect."""


@cache
def server(name: str) -> Running | None:
    """The server of this name, if it answers."""
    folder = Path(os.environ.get("SIEVE_VLLM_DIR") or ROOT / "var" / "vllm")
    try:
        told = json.loads((folder / f"{name}.json").read_text("utf-8"))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"{told['url']}/health", timeout=30).close()
    except OSError:
        return None
    services = {
        dialect: Service(dialect=dialect, url=told["url"] + path, timeout_ms=600_000)
        for _, dialect, path in SERVED[name].services
    }
    return Running(told["url"], told["model"], services)


def why_not(name: str) -> str:
    """Why tests with this server are skipped; nothing where it runs."""
    return "" if server(name) else f"no vLLM with {SERVED[name].model} runs here: make vllm ARGS={name}"


def running(name: str) -> Running:
    """That server; where it does not run, the test is skipped."""
    found = server(name)
    if found is None:
        pytest.skip(why_not(name))
    return found
