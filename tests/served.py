"""The web server as in production over a folder of its own, with a pipeline that needs no model here."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
LIGHT = """
[encoder]
backend = "hashing"
model = "hashing"
[split]
max_tokens = 64
overlap_tokens = 8
[fuse]
method = "rrf"
depth = 50
bm25 = 0.5
knn = 0.5
[blend]
bm25 = 0.5
knn = 0.5
late = 0.0
reranked = 0.0
[context]
top = 5
max_tokens = 2000
"""
BY_WORDS = LIGHT.replace("rrf", "minmax").replace("m25 = 0.5", "m25 = 1.0").replace("knn = 0.5", "knn = 0.0")
"""What the hashing encoder holds for alike is of no use where one word decides."""
WRITTEN = """
[generate]
backend = "openai"
model = "scripted/scripted"
threshold = 0.0
max_sentences = 3
budget_ms = 60000
"""
SERVICE = '[scripted]\ndialect = "openai"\nurl = "{url}"\n'
SAVE = """
import sys
from pathlib import Path
from django.conf import settings
settings.SPEC_DIR = Path({folder!r})
from rag import spec
from search_app import pipeline_versions
pipeline_versions.activate(pipeline_versions.save("light", spec.load(Path({folder!r}) / "light.toml")))
"""


@dataclass
class Served:
    """Run it with `with`; `url` is where it is."""

    folder: Path
    environment: Mapping[str, str]
    url: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "-c", code)

    def __enter__(self) -> "Served":
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "gunicorn", "--config", "python:search_app.gunicorn"]
        command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--no-control-socket"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        until = time.monotonic() + 180
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise TimeoutError(self.log)

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    @property
    def worker(self) -> psutil.Process:
        """The process that answers."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children()[0]


def prepared(
    folder: Path,
    writer_url: str,
    documents: Mapping[str, Sequence[Path]],
    *,
    spec: str = LIGHT + WRITTEN,
    **settings: str,
) -> Served:
    """An installation, not started: documents by collection, answers by the model server at that url."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "specs").mkdir()
    (folder / "specs" / "light.toml").write_text(spec)
    (folder / "services.toml").write_text(SERVICE.format(url=writer_url))
    kept = {name: value for name, value in os.environ.items() if not re.match("SIEVE_|DATABASE_URL", name)}
    environment = {
        **kept,
        "SIEVE_DATA_DIR": str(folder),
        "SIEVE_MODEL_DIR": os.environ.get("SIEVE_MODEL_DIR") or str(ROOT / "var" / "models"),
        "SIEVE_SERVICES": str(folder / "services.toml"),
        "SIEVE_PIPELINE": "light",
        "SIEVE_QUEUE": "",
        "SIEVE_API_RATE_ANONYMOUS": "1000000/minute",
        **settings,
    }
    served = Served(folder, environment)
    served.manage("migrate", "--verbosity", "0")
    served.shell(SAVE.format(folder=str(folder / "specs")))
    for collection, paths in documents.items():
        served.manage("ingest", *map(str, paths), "--collection", collection)
    return served
