"""The test itself, step by step; see the package's docstring."""

import argparse
import os
import re
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from scripts.compose_test import closed, stand_ins
from scripts.compose_test.docker import ROOT, SKIPPED, Failed, Project, missing, run
from scripts.compose_test.site import QUESTION, Asking, Site, told
from tests.rag.parse import samples

COLLECTION = "harbour"
HANDED = ROOT / "tests" / "data" / "harbour"
PIPELINE = "gpu"
"""Its reranker needs a GPU and is said to be away; its generator is vLLM, wherever that computes."""
PARTS = ("rerank", "ingest", "redis", "opensearch", "postgres", "web")
ALLOWED = re.compile(r"full|nobody: .*|503: .*|(?!\d{3}: ).+")
"""What may come while a part is away: a full or a degraded answer, nobody, or 503 with its sentence."""


def say(line: str = "") -> None:
    print(line, flush=True)


def secrets(file: Path, port: int, llm: Path) -> None:
    run(["sh", "docker/secrets.sh", file], 30)
    lines = [f"SIEVE_PORT=127.0.0.1:{port}", f"LLM_FOLDER={llm}"]
    models = Path(os.environ.get("SIEVE_MODEL_DIR") or ROOT / "var" / "models").absolute()
    if models.is_dir():  # otherwise they come over the network
        lines.append(f"SIEVE_MODEL_SOURCE={models}")
    with file.open("a") as out:
        out.write(
            "\n".join([*lines, "SIEVE_API_RATE_KEY=100000/minute", "SIEVE_API_RATE_USER=100000/minute", ""])
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(project: Project, site: Site) -> None:
    project.compose("build", "web")
    project.compose("up", "--detach", "--wait", "--no-build")
    status, said = site.call("GET", "/readyz")
    if status != 200:
        raise Failed(f"Everything is healthy, but /readyz says {status}: {said}")
    project.execute("web", "python", "manage.py", "first_admin")
    words = "api_key create admin test --scope search --scope read --scope write"
    site.key = project.execute("web", "python", "manage.py", *words.split()).strip().splitlines()[-1]


def ingest(site: Site) -> None:
    """By the REST API: text, and formats whose parsers run in child processes."""
    site.post(
        "/api/v1/collections", {"name": COLLECTION, "title": "Harbour", "language": "en", "public": True}
    )
    files = {path.name: path.read_bytes() for path in sorted(HANDED.glob("*.md"))}
    files |= {
        "notes.pdf": samples.pdf([(12.0, "The pilot boat is painted orange.")]),
        "list.docx": samples.docx(),
    }
    for name, content in files.items():
        site.upload(COLLECTION, name, content)
    site.wait_searchable(COLLECTION, len(files))
    say(f"  {len(files)} documents are searchable, a PDF and a Word file among them")


def ask(project: Project, site: Site) -> None:
    until = time.monotonic() + 120
    while (mode := told(*(found := site.ask()))) != "full":
        if time.monotonic() > until:
            raise Failed(f"No full answer came: {mode}")
        time.sleep(1)
    answer = found[1]
    say(f"  {QUESTION}\n  {answer['answer']['text'] if answer['answer'] else 'no answer'}")
    best = answer["passages"][0]
    say(f"  best passage: {best['passage_id']}, {best['stages']}")
    time.sleep(2)
    said = project.compose("logs", "--no-color", "web").splitlines()
    say("  its lines in the log of `web`:")
    number = next(
        (re.search(r'"request":"(\w+)"', line) for line in said if answer["trace_id"] in line), None
    )
    for line in said:
        if number and number[1] in line:
            say(f"    {line}")
    if not number:
        raise Failed("The log does not tell of the question.")


def ask_vllm(site: Site) -> None:
    """An answer that the language model wrote, as far as so small a one can."""
    status, said = site.ask(PIPELINE)
    if status != 200 or not said["answer"] or not said["usage"]["completion_tokens"]:
        raise Failed(f"vLLM wrote no answer: {status} {said}")
    usage = said["usage"]
    say(f"  {QUESTION}\n  {said['answer']['text']}")
    say(f"  {usage['model']}: {usage['prompt_tokens']} tokens read, {usage['completion_tokens']} written")


def restart(project: Project, site: Site, part: str, number: int) -> None:
    """Restart a part while one asks; upload meanwhile; after it everything is as before."""
    began = time.monotonic()
    with Asking(site) as asking:
        project.compose("restart", "--timeout", "20", part)
        if part not in {"web", "postgres"}:  # without these two nothing is accepted
            site.upload(COLLECTION, f"during-{part}.md", f"# {part}\n\nThe {part} was away.\n".encode())
        project.wait()
        asking.wait_full()
    wrong = [mode for mode in asking.came if not ALLOWED.fullmatch(mode)]
    say(f"  {part}, all as before after {time.monotonic() - began:.0f} s")
    for mode, count in asking.came.most_common():
        say(f"  {count:6} × {mode}")
    if wrong:
        raise Failed(f"While {part} was away this came: {wrong}")
    site.wait_searchable(COLLECTION, number)


def two_of_each(project: Project, site: Site, file: Path) -> None:
    """Two web servers and two of each worker: uploaded through one, found through the other."""
    port = free_port()
    with file.open("a") as out:
        out.write(f"SIEVE_PORT=127.0.0.1:{port}-{port + 1}\n")
    scale = [word for part in ("web", "ingest", "rerank") for word in ("--scale", f"{part}=2")]
    project.compose("up", "--detach", "--wait", "--no-build", *scale)
    one, other = (
        Site("http://" + project.compose("port", "--index", index, "web", "8000").strip(), site.key)
        for index in "12"
    )
    one.upload(COLLECTION, "through-one.md", b"# Quay\n\nThe zebra crane stands on quay nine.\n")
    other.wait_searchable(COLLECTION, 1)
    found = other.post("/api/v1/search", {"question": "Where is the zebra crane?", "top": 1})
    if "zebra" not in found["passages"][0]["text"]:
        raise Failed(f"The other web server found: {found['passages'][0]}")
    say(f"  uploaded through {one.url}, found through {other.url}")


def steps(project: Project, site: Site, file: Path) -> None:
    say("\n== Build, start, wait until all is healthy")
    start(project, site)
    say("\n== Ingest")
    ingest(site)
    say("\n== Ask")
    ask(project, site)
    if project.stand_ins:
        say("\n== Have vLLM write the answer")
        ask_vllm(site)
    say("\n== What the containers may do")
    for line in closed.check_all(project):
        say(f"  {line}")
    say(f"  {closed.check_cluster(project)}")
    say("\n== Restart each part while asking: how many answers of which kind came")
    number = len(site.states(COLLECTION))
    for part in PARTS:
        number += part not in {"web", "postgres"}
        restart(project, site, part, number)
    say("\n== Two web servers, two of each worker")
    two_of_each(project, site, file)
    say(f"  {project.execute('web', 'python', 'manage.py', 'verify').strip().splitlines()[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.compose_test")
    parser.add_argument("--stand-ins", action="store_true", help="make images here instead of fetching them")
    parser.add_argument("--keep", action="store_true", help="leave it running at the end")
    options = parser.parse_args()
    if reason := missing():
        say(f"skipped: {reason}")
        raise SystemExit(SKIPPED)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    own = options.stand_ins or bool(os.environ.get("SIEVE_STAND_INS"))
    began, port = time.monotonic(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        file, llm = Path(folder) / "env", Path(folder) / "llm"
        llm.mkdir()
        secrets(file, port, llm)
        project = Project(f"sieve-test-{os.getpid()}", file, stand_ins=own)
        Path(folder).chmod(0o755)
        try:
            if own:
                say("== Images that stand in for the vendors'")
                stand_ins.make(stand_ins.cache_folder())
                stand_ins.language_model(llm)
            steps(project, Site(f"http://127.0.0.1:{port}"), file)
        except Failed as failure:
            say(f"\nFAILED: {failure}")
            for part in ("web", "ingest", "rerank", *(("vllm",) if own else ())):
                say(project.compose("logs", "--no-color", "--tail", "15", part))
            raise SystemExit(1) from None
        finally:
            if not options.keep:
                say("\n== Take it down, volumes too")
                project.down()
    say(f"All went well, in {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
