"""`python -m scripts.opensearch start|stop [VERSION ...|all]`: what `make opensearch` runs."""

import fcntl
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.opensearch.assemble import assembled
from scripts.opensearch.fetch import fetch
from scripts.opensearch.node import Node
from scripts.opensearch.releases import RELEASES, Release
from scripts.opensearch.trouble import Trouble

ROOT = Path(__file__).resolve().parents[2]
DOCKER = "With Docker instead: docs/docker.md, A search cluster alone, for trying."


def say(line: str) -> None:
    print(line, flush=True)


def folder() -> Path:
    return Path(os.environ.get("SIEVE_OPENSEARCH_DIR") or ROOT / "var" / "opensearch").absolute()


def chosen(names: Sequence[str]) -> list[Release]:
    if not names:
        return [RELEASES["3.6.0"]]
    if "all" in names:
        return list(RELEASES.values())
    if unknown := [name for name in names if name not in RELEASES]:
        raise Trouble(f"There is no {unknown[0]} here, but: {', '.join(RELEASES)}, all.")
    return [RELEASES[name] for name in names]


def port_of(text: str, place: int) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 1024 <= int(text) <= 65000:
        raise Trouble(f"PORT is {text!r}; it must be a number from 1024 to 65000.")
    return int(text) + place


def start(releases: Sequence[Release]) -> None:
    began = time.monotonic()
    cache = Path(os.environ.get("SIEVE_OPENSEARCH_CACHE") or folder() / "cache").absolute()
    nodes = [Node(release, folder() / release.version, say) for release in releases]
    new = [node for node in nodes if node.pid() is None]
    ports = [port_of(os.environ.get("PORT", ""), place) for place, _ in enumerate(nodes)]
    for node in new:
        node.java()  # before anything is fetched
    missing = [node.release for node in new if not assembled(node.release, node.home)]
    fetch([artifact for release in missing for artifact in release.artifacts], cache, say)
    for node, port in zip(nodes, ports, strict=True):
        node.start(cache, port)
    for node in nodes:
        node.wait()
        did = f"answers after {time.monotonic() - began:.0f} s" if node in new else "runs already"
        say(f"\nOpenSearch {node.release.version} {did}: {node.address()['urls'][0]}")
        env = node.folder / "sieve.env"
        for name, value in node.settings().items():
            say(f"    {name}={value if name != 'SIEVE_OPENSEARCH_PASSWORD' else f'...  # in {env}'}")
        say(f"  To use it: set -a; . {env}; set +a; make run\n  To end it: make opensearch-stop")


def stop(releases: Sequence[Release]) -> None:
    for release in releases:
        if Node(release, folder() / release.version, say).stop():
            say(f"OpenSearch {release.version} has ended.")
        else:
            say(f"OpenSearch {release.version} does not run here.")


def main(arguments: Sequence[str]) -> None:
    match list(arguments):
        case ["start", *names]:
            act, releases = start, chosen(names)
        case ["stop", *names]:
            act, releases = stop, chosen(names or ["all"])
        case _:
            raise Trouble("Say start or stop, and which version: " + ", ".join([*RELEASES, "all"]))
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would start it twice
        act(releases)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Trouble as trouble:
        print(trouble, *[DOCKER] * ("start" in sys.argv[1:2]), sep="\n", file=sys.stderr)
        sys.exit(trouble.code)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. What was started runs on: make opensearch-stop")
