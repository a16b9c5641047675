"""Two web servers and two ingest workers, each on a data folder of its own, on one OpenSearch, one
PostgreSQL, one Redis and one folder of uploaded files: what is done at one is there at the other.
"""

import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from rag.index.opensearch import Address
from rag.rerank.message import Beat, beat_key, decode
from scripts.stack import Stack
from tests.e2e.conftest import ROOT, manage
from tests.opensearch import fresh, running

VERSION = "3.6.0"
pytestmark = [pytest.mark.slow, pytest.mark.models, pytest.mark.opensearch(VERSION)]
DOCUMENTS = 60
LEASE_S = 5
HERE = any((shutil.which("initdb"), *Path("/usr/lib/postgresql").glob("*/bin/initdb")))


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a PostgreSQL of its own, also where the other tests run on one."""
    if not HERE:
        pytest.skip("no PostgreSQL here. Debian: apt-get install postgresql")
    wrapper = subprocess.Popen(
        ["sh", "scripts/postgres.sh", "sh", "-c", 'echo "$DATABASE_URL"; cat'],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert wrapper.stdin is not None and wrapper.stdout is not None
    yield wrapper.stdout.readline().strip()
    wrapper.stdin.close()  # ends `cat`, and the wrapper takes the server away
    wrapper.wait(30)


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    yield from fresh(running(VERSION))


@dataclass(frozen=True)
class Machine:
    """A web server as its users see it, beside what runs with it."""

    stack: Stack
    key: str

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} | headers
        request = urllib.request.Request(f"{self.stack.url}/api/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
                return response.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def upload(self, files: dict[str, bytes]) -> list[dict[str, Any]]:
        parts = [b'--x\r\nContent-Disposition: form-data; name="collection"\r\n\r\npapers\r\n']
        for name, content in files.items():
            head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
            parts += [head.encode(), content, b"\r\n"]
        kind = {"Content-Type": "multipart/form-data; boundary=x", "Idempotency-Key": uuid.uuid4().hex}
        status, answer = self.call("POST", "documents", b"".join([*parts, b"--x--\r\n"]), **kind)
        assert status == 202, answer
        return [put["document"] for put in answer["documents"]]

    def search(self, words: str) -> dict[str, Any]:
        status, answer = self.call("POST", "search", {"question": words, "top": 5})
        assert status == 200, answer
        return answer

    def texts(self, words: str) -> str:
        return " ".join(passage["text"] for passage in self.search(words)["passages"])

    def states(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        path: str | None = "documents?collection=papers&limit=100"
        while path:
            status, page = self.call("GET", path)
            assert status == 200, page
            counted.update(document["state"] for document in page["results"])
            path = page["next"].rpartition("/api/v1/")[2] if page["next"] else None
        return counted

    def until_searchable(self, number: int, patience_s: float = 180) -> None:
        until = time.monotonic() + patience_s
        while (found := self.states()) != {"searchable": number}:
            assert time.monotonic() < until, found
            assert not found["failed"], found
            time.sleep(0.3)


@dataclass(frozen=True)
class Site:
    """Both machines, and the ingest worker of the second, which nobody starts again."""

    one: Machine
    two: Machine
    second_worker: subprocess.Popen[bytes]
    password: str


@pytest.fixture(scope="module")
def site(database: str, address: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    rates = {f"SIEVE_API_RATE_{who}": "100000/minute" for who in ("KEY", "USER", "ANONYMOUS")}
    password = folder / "opensearch-password"
    password.write_text(f"{address.password}\n")
    shared = rates | {
        "DATABASE_URL": database,
        "SIEVE_OPENSEARCH": ",".join(address.urls),
        "SIEVE_OPENSEARCH_USER": address.user,
        "SIEVE_OPENSEARCH_CA": str(address.ca or ""),
        "SIEVE_OPENSEARCH_PREFIX": address.prefix,
        "SIEVE_OPENSEARCH_TIMEOUT": "10",
        "SIEVE_CONTENT_DIR": str(folder / "contents"),
        "SIEVE_SECRET_KEY": uuid.uuid4().hex * 2,
        "SIEVE_LEASE_SECONDS": str(LEASE_S),
    }
    if address.password:
        shared["SIEVE_OPENSEARCH_PASSWORD_FILE"] = str(password)
    said: list[str] = []
    one = Stack(folder / "one", environment=shared, say=said.append)
    more = shared | {"SIEVE_QUEUE": one.queue_url}
    two = Stack(folder / "two", environment=more, say=said.append, parts=["web"])
    manage(one.environment, "migrate", "--verbosity", "0")
    found = re.search(r"password\s*:?\s+(\S+)", manage(one.environment, "first_admin"), re.IGNORECASE)
    assert found
    scopes = [word for scope in ("search", "read", "write") for word in ("--scope", scope)]
    key = manage(one.environment, "api_key", "create", "admin", "cluster", *scopes).split()[-1]
    with one, two:
        one.wait_until_ready()
        two.wait_until_ready()
        worker = subprocess.Popen([sys.executable, "-m", "workers", "ingest"], cwd=ROOT, env=two.environment)
        try:
            site = Site(Machine(one, key), Machine(two, key), worker, found[1])
            status, answer = site.one.call("POST", "collections", {"name": "papers"})
            assert status == 201, answer
            yield site
        except AssertionError:
            print("\n".join(said[-60:]))
            raise
        finally:
            worker.kill()
            worker.wait()


def content(number: int) -> bytes:
    """A document of several passages with a word that no other one has."""
    lines = [f"Paper zq{number:04} says on line {n} what the keeper wrote of the storm." for n in range(60)]
    return (f"# Number {number}\n\n" + "\n\n".join(lines) + "\n").encode()


def is_busy(site: Site) -> bool:
    """Whether the second machine's worker is at work, by its own sign of life."""
    with redis.Redis.from_url(site.one.stack.queue_url) as client:
        data = client.get(beat_key("ingest", socket.gethostname(), site.second_worker.pid))
    return data is not None and decode(data, Beat).busy_since is not None


def test_what_is_uploaded_at_one_is_found_and_deleted_at_the_other(site: Site) -> None:
    (document,) = site.one.upload({"pier.md": b"# Pier\n\nThe harbour master of Skagen is Ingrid Holm.\n"})
    site.two.until_searchable(1)
    asked = {"question": "Who is the harbour master of Skagen?"}
    for machine in (site.two, site.one):
        status, answer = machine.call("POST", "answers", asked)
        assert status == 200
        assert "Ingrid Holm" in answer["answer"]["text"]
        assert answer["rerank"]["status"] == "applied"  # by the one rerank worker
        assert (answer["degraded"], answer["partial_index"]) == ([], False)
    status, _ = site.one.call("DELETE", f"documents/{document['id']}")
    assert status == 204
    status, problem = site.two.call("POST", "search", asked)
    assert (status, problem["code"]) == (409, "nothing_to_search")


def test_who_signs_in_at_one_is_known_at_the_other(site: Site) -> None:
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(f"{site.one.stack.url}/sign-in").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": site.password}
    browser.open(f"{site.one.stack.url}/sign-in", urllib.parse.urlencode(form).encode())
    with browser.open(f"{site.two.stack.url}/account") as account:  # cookies know no ports
        assert account.url.endswith("/account")
        assert "admin" in account.read().decode()
    (document,) = site.one.upload({"letter.txt": b"Dear harbour master."})
    site.two.until_searchable(1)
    with browser.open(f"{site.two.stack.url}/documents/{document['id']}/file") as file:
        assert file.read() == b"Dear harbour master."  # the uploaded files are one folder
    assert site.two.call("DELETE", f"documents/{document['id']}")[0] == 204


def test_a_killed_worker_loses_nothing_and_leaves_nothing(site: Site) -> None:
    names = [f"paper-{number:04}.md" for number in range(DOCUMENTS)]
    for first in range(0, DOCUMENTS, 20):
        machine = site.one if first % 40 == 0 else site.two
        machine.upload({names[n]: content(n) for n in range(first, first + 20)})
    until = time.monotonic() + 60
    while not (is_busy(site) and site.one.states()["working"]):
        assert time.monotonic() < until, "the second worker did not begin"
        time.sleep(0.02)
    time.sleep(1.0)
    os.kill(site.second_worker.pid, signal.SIGKILL)
    assert site.second_worker.wait() == -signal.SIGKILL
    before = site.two.states()
    assert before["queued"] + before["working"], "all was done before the kill"
    site.two.until_searchable(DOCUMENTS)
    for number in range(0, DOCUMENTS, 7):
        machine = (site.one, site.two)[number % 2]
        assert f"zq{number:04}" in machine.texts(f"paper zq{number:04}")
    said = manage(site.two.stack.environment, "verify")
    assert said.splitlines()[-1].startswith(f"{DOCUMENTS} documents, ")
    assert said.splitlines()[-1].endswith(" 0 problems.")


def test_a_command_works_beside_the_worker(site: Site, tmp_path: Path) -> None:
    before = site.one.states()["searchable"]
    folder = tmp_path / "more"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text(f"Supplement xk{number:04} of the harbour log.\n" * 20)
    said = manage(site.two.stack.environment, "ingest", str(folder), "--collection", "papers")
    assert re.search(r"^all\s+20\s+0\s+0\s+20$", said, re.MULTILINE), said
    site.one.until_searchable(before + 20)
    assert "xk0007" in site.one.texts("supplement xk0007")


def test_a_deletion_at_one_is_gone_at_the_other_at_once(site: Site) -> None:
    for number in range(0, 60, 12):
        words = f"paper zq{number:04}"
        (found,) = {
            passage["document_id"]
            for passage in site.two.search(words)["passages"]
            if f"zq{number:04}" in passage["text"]
        }
        status, _ = site.one.call("DELETE", f"documents/{found}")
        assert status == 204
        assert f"zq{number:04}" not in site.two.texts(words)
    until = time.monotonic() + 60
    while not manage(site.one.stack.environment, "verify").splitlines()[-1].endswith(" 0 problems."):
        assert time.monotonic() < until
