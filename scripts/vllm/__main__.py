"""`python -m scripts.vllm start|stop [NAME ...|all] [PORT]`: what `make vllm` runs."""

import fcntl
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.opensearch.trouble import Trouble
from scripts.vllm import environment, models
from scripts.vllm.models import SERVED
from scripts.vllm.server import Server

ROOT = Path(__file__).resolve().parents[2]


def say(line: str) -> None:
    print(line, flush=True)


def folder() -> Path:
    return Path(os.environ.get("SIEVE_VLLM_DIR") or ROOT / "var" / "vllm").absolute()


def servers(names: Sequence[str]) -> list[Server]:
    if "all" in names:
        names = list(SERVED)
    if unknown := [name for name in names if name not in SERVED]:
        raise Trouble(f"There is no {unknown[0]} here, but: {', '.join(SERVED)}, all.")
    return [Server(SERVED[name], folder(), say) for name in dict.fromkeys(names)]


def start(names: Sequence[str], port: int | None) -> None:
    began = time.monotonic()
    chosen = servers(names)
    new = [server for server in chosen if server.pid() is None]
    if new:
        python = environment.ensure(folder() / "env", say)
        made = [models.ensure(server.served, folder() / "models", python, say) for server in new]
        for place, (server, model) in enumerate(zip(new, made, strict=True)):
            server.start(python, model, port + place if port else None)
    for server in chosen:
        server.wait()
        did = f"answers after {time.monotonic() - began:.0f} s" if server in new else "runs already"
        say(f"vLLM with {server.served.model} {did}: {server.address()['url']}")
    services = write_services()
    say(f"As services of a pipeline: SIEVE_SERVICES={services}\nTo end them: make vllm-stop")


def stop(names: Sequence[str]) -> None:
    for server in servers(names):
        if server.stop():
            say(f"vLLM with {server.served.model} has ended.")
    write_services()


def write_services() -> Path:
    """`services.toml`: all that run here."""
    running = [server for server in servers(["all"]) if server.pid() is not None]
    file = folder() / "services.toml"
    file.write_text("".join(server.services() for server in running), "utf-8")
    return file


def main(arguments: Sequence[str]) -> None:
    act, *names = arguments or [""]
    port = int(names.pop()) if names and names[-1].isdecimal() else None
    if act not in ("start", "stop"):
        raise Trouble("Say start or stop, and which server: " + ", ".join([*SERVED, "all"]))
    (folder() / "models").mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would start it twice
        if act == "start":
            start(names or ["chat"], port)
        else:
            stop(names or ["all"])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        sys.exit(trouble.code)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. What was started runs on: make vllm-stop")
