"""kill -9 of every part, again and again, while documents are uploaded and people search.

The counts can be made smaller: `SIEVE_CHAOS_DOCUMENTS`, `SIEVE_CHAOS_KILLS`.
"""

import hashlib
import http.client
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scripts.stack import PARTS, Stack
from tests.e2e.conftest import ROOT, manage, prepared

pytestmark = [pytest.mark.slow, pytest.mark.models]

DOCUMENTS = int(os.environ.get("SIEVE_CHAOS_DOCUMENTS") or 400)
KILLS = int(os.environ.get("SIEVE_CHAOS_KILLS") or 10)
"""Of each part."""
USERS = 4
UPLOADED_TOGETHER = 10
BUDGET_S = 1.0 + 3.0
"""What the default pipeline gives the cross-encoder and the answer."""
MARGIN_S = 4.0
"""For retrieval, the trace, and two cores that an ingest and four users share."""
RESTART_S = 45.0
"""For a web server that was killed: until it is there and has its models again, on cores that are as busy."""
DONE_S = 240.0
BROKEN = (ConnectionError, http.client.HTTPException)
WORDS = ("ferry", "pier", "lighthouse", "granite", "storm", "keeper", "lamp", "harbour", "rope", "anchor")
QUESTIONS = (
    "Do I get my money back when the ferry is cancelled because of fog?",
    "When was the lighthouse built?",
    "Who keeps the lamp in a storm?",
    "Where may I buy oysters on Saturday?",
)


def content(number: int) -> bytes:
    """A small document with a word that no other one has."""
    draw = random.Random(number)
    lines = [
        f"Paper zq{number:04} says {' '.join(draw.choices(WORDS, k=12))}." for _ in range(draw.randint(2, 8))
    ]
    return (f"# Number {number}\n\n" + "\n\n".join(lines) + "\n").encode()


def name(number: int) -> str:
    return f"paper-{number:04}.md"


@dataclass
class Site:
    """The running site as its users see it, and when its web server was killed."""

    stack: Stack
    key: str
    web_killed: list[float] = field(default_factory=list)

    def post(self, path: str, body: bytes, headers: dict[str, str], timeout: float) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=timeout)
        with closing(connection):
            connection.request("POST", path, body, {"Authorization": f"Bearer {self.key}", **headers})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def ask(self, path: str, question: str, timeout: float = 60) -> tuple[int, Any]:
        body = json.dumps({"question": question}).encode()
        return self.post(path, body, {"Content-Type": "application/json"}, timeout)

    def restarting(self, began: float) -> bool:
        """Whether the web server was killed shortly before this moment or since."""
        return any(killed > began - RESTART_S for killed in self.web_killed)


@dataclass
class Searches:
    """What the users saw."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    waited_s: float = 0.0
    """Longest, where the web server was killed meanwhile or shortly before."""

    def run(self, site: Site, stop: threading.Event) -> None:
        draw = random.Random()
        while not stop.is_set():
            began = time.monotonic()
            try:
                status, body = site.ask("/api/v1/answers", draw.choice(QUESTIONS))
            except TimeoutError:
                self.wrong.append("a search hung")
            except (*BROKEN, ValueError) as error:
                self.counts["broken off"] += 1
                if not site.restarting(began):
                    self.wrong.append(f"broken off without a kill: {error!r}")
                time.sleep(0.2)
            else:
                self._judge(site, began, status, body)

    def _judge(self, site: Site, began: float, status: int, body: Any) -> None:
        took = time.monotonic() - began
        restarting = site.restarting(began)
        if took > BUDGET_S + MARGIN_S + (RESTART_S if restarting else 0.0):
            ms = body.get("total_ms") if isinstance(body, dict) else None
            self.wrong.append(f"a search took {took:.1f} s, {ms} ms of them in the pipeline")
        if restarting:
            self.waited_s = max(self.waited_s, took)
        else:
            self.longest_s = max(self.longest_s, took)
        if status != 200:
            self.wrong.append(f"status {status}: {body}")
            return
        rerank = body["rerank"]["status"]
        self.counts[rerank] += 1
        self.counts["no answer was written"] += body["answer"] is None
        if (rerank in {"fallback", "partial"} or body["answer"] is None) and not body["degraded"]:
            self.wrong.append(f"it fell back and did not say so: {body['rerank']}")


def upload(
    site: Site, stop: threading.Event, wrong: list[str], pause_s: float, hurry: threading.Event
) -> None:
    """All documents, a few at a time; what breaks off is sent again.

    First under the same key; where a server that died was at it, under a new one: a file that is there
    already is not there twice for that.
    """
    for first in range(0, DOCUMENTS, UPLOADED_TOGETHER):
        numbers = range(first, min(first + UPLOADED_TOGETHER, DOCUMENTS))
        boundary, key = uuid.uuid4().hex, uuid.uuid4().hex
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Idempotency-Key": key}
        body = form(boundary, numbers)
        while not stop.is_set():
            try:
                status, answer = site.post("/api/v1/documents", body, headers, timeout=60)
            except (*BROKEN, TimeoutError, ValueError):
                time.sleep(0.2)
                continue
            if status == 202:
                break
            if status == 409:  # the first try may be at it still
                headers["Idempotency-Key"] = uuid.uuid4().hex
            elif status != 503:
                wrong.append(f"upload: status {status}: {answer}")
                return
            time.sleep(0.2)
        hurry.wait(pause_s)


def form(boundary: str, numbers: range) -> bytes:
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="collection"\r\n\r\npapers\r\n'.encode()]
    for number in numbers:
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name(number)}"\r\n\r\n'
        )
        parts += [head.encode(), content(number), b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def kill_all(site: Site, draw: random.Random) -> Counter[str]:
    """Each part so many times, interleaved, each time while it runs."""
    killed: Counter[str] = Counter()
    for _ in range(KILLS):
        for part in draw.sample(PARTS, len(PARTS)):
            time.sleep(draw.uniform(0.2, 1.8))
            deadline = time.monotonic() + 60
            while not site.stack.ready(part):
                assert time.monotonic() < deadline, f"{part} did not come back"
                time.sleep(0.02)
            if part == "web":
                site.web_killed.append(time.monotonic())
            site.stack.kill(part)
            killed[part] += 1
    return killed


def states(stack: Stack) -> dict[str, tuple[str, str, str, int]]:
    """Name → state, reason, hash and version of each paper, from the database itself."""
    query = (
        "select d.name, d.state, d.reason, d.content_hash, d.version from search_app_document d "
        "join search_app_collection c on c.id = d.collection_id where c.name = 'papers'"
    )
    with closing(sqlite3.connect(stack.data_dir / "sieve.sqlite3", timeout=30)) as database:
        rows = database.execute(query).fetchall()
    found = {row[0]: row[1:] for row in rows}
    assert len(found) == len(rows), "a document is there twice"
    return found


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="looks into the SQLite file")
def test_whatever_dies_no_document_is_lost_and_no_search_hangs(tmp_path: Path) -> None:
    log: list[str] = []
    rates = {f"SIEVE_API_RATE_{who}": "100000/minute" for who in ("KEY", "USER", "ANONYMOUS")}
    stack, _ = prepared(tmp_path / "data", say=log.append, SIEVE_LEASE_SECONDS="4", **rates)
    (tmp_path / "first.md").write_text("# First\n\nThe first paper.\n")
    manage(stack.environment, "ingest", str(ROOT / "tests/data/harbour"), "--collection", "harbour")
    manage(stack.environment, "ingest", str(tmp_path / "first.md"), "--collection", "papers")
    scopes = [word for scope in ("search", "read", "write") for word in ("--scope", scope)]
    key = manage(stack.environment, "api_key", "create", "admin", "chaos", *scopes).split()[-1]
    seed = random.randrange(10**6)
    print(f"seed {seed}")

    with stack:
        stack.wait_until_ready()
        site = Site(stack, key)
        searches, wrong, stop, hurry = Searches(), list[str](), threading.Event(), threading.Event()
        pause_s = 1.5 * KILLS * len(PARTS) * UPLOADED_TOGETHER / DOCUMENTS
        threads = [threading.Thread(target=searches.run, args=(site, stop)) for _ in range(USERS)]
        uploader = threading.Thread(target=upload, args=(site, stop, wrong, pause_s, hurry))
        began = time.monotonic()
        for thread in (*threads, uploader):
            thread.start()
        try:
            killed = kill_all(site, random.Random(seed))
            killing_s = time.monotonic() - began
            hurry.set()
            uploader.join(120)
            assert not uploader.is_alive(), "the uploads did not end"
            while waiting := [
                n for n, row in states(stack).items() if row[0] not in {"searchable", "failed"}
            ]:
                assert time.monotonic() - began < killing_s + DONE_S, f"{len(waiting)} documents still wait"
                time.sleep(0.5)
        except AssertionError:
            print("\n".join(log[-60:]))
            raise
        finally:
            stop.set()
            for thread in (*threads, uploader):
                thread.join(60)
        took = time.monotonic() - began
        found = states(stack)
        failed = {n: row[1] for n, row in found.items() if row[0] == "failed"}
        print(
            f"{sum(killed.values())} kills in {killing_s:.0f} s, all done after {took:.0f} s; "
            f"{len(found) - len(failed)} searchable, {len(failed)} failed; "
            f"searches: {dict(searches.counts)}, the longest {searches.longest_s:.1f} s, "
            f"over a restart of the web server {searches.waited_s:.1f} s"
        )
        stack.wait_until_ready()
        for number in random.Random(seed).sample(range(DOCUMENTS), min(20, DOCUMENTS)):
            status, body = site.ask("/api/v1/search", f"paper zq{number:04}")
            texts = " ".join(passage["text"] for passage in body["passages"][:3])
            assert status == 200
            assert f"zq{number:04}" in texts or name(number) in failed, f"{name(number)} is not found"

    assert killed == dict.fromkeys(PARTS, KILLS)
    assert wrong == []
    assert searches.wrong == []
    assert searches.counts.total() > KILLS
    assert set(found) == {name(number) for number in range(DOCUMENTS)} | {"first.md"}
    assert all(failed.values()), "a document failed without a reason"
    assert len(failed) <= DOCUMENTS // 20, failed
    for number in range(DOCUMENTS):
        _, _, sha256, version = found[name(number)]
        assert sha256 == hashlib.sha256(content(number)).hexdigest()
        assert version > 0 or name(number) in failed
    verified = subprocess.run(
        [sys.executable, "manage.py", "verify"],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0, verified.stdout
