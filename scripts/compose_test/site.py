"""The site through its one open port, as a program outside sees it."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from scripts.compose_test.docker import Failed

QUESTION = "When does the ferry to the island leave in winter?"


class Site:
    def __init__(self, url: str, key: str = "") -> None:
        self.url, self.key = url, key

    def call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Status and JSON. 0 and the reason where nobody answers."""
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read()
            try:
                return error.code, json.loads(said)
            except ValueError:
                return error.code, said[:200].decode("utf-8", "replace")
        except OSError as error:
            return 0, str(error)

    def post(self, path: str, value: Mapping[str, Any]) -> Any:
        status, said = self.call("POST", path, json.dumps(value).encode())
        if status not in {200, 201, 202}:
            raise Failed(f"POST {path} was answered with {status}: {said}")
        return said

    def upload(self, collection: str, name: str, content: bytes) -> None:
        """Raises `Failed` unless it is accepted."""
        mark = uuid.uuid4().hex
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="collection"\r\n\r\n{collection}\r\n'.encode()
        ]
        parts.append(
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
        )
        body = b"".join([*parts, content, f"\r\n--{mark}--\r\n".encode()])
        status, said = self.call("POST", "/api/v1/documents", body, f"multipart/form-data; boundary={mark}")
        if status != 202:
            raise Failed(f"The upload of {name} was answered with {status}: {said}")

    def states(self, collection: str) -> dict[str, str]:
        """Document → its state."""
        status, said = self.call("GET", f"/api/v1/documents?collection={collection}&limit=200")
        if status != 200:
            raise Failed(f"The documents were asked for and {status} came: {said}")
        return {row["name"]: row["state"] for row in said["results"]}

    def wait_searchable(self, collection: str, number: int, timeout_s: float = 300.0) -> None:
        until = time.monotonic() + timeout_s
        while True:
            states = self.states(collection)
            if len(states) >= number and set(states.values()) == {"searchable"}:
                return
            if "failed" in states.values() or time.monotonic() > until:
                raise Failed(f"Not all documents became searchable: {states}")
            time.sleep(1)

    def ask(self, pipeline: str = "") -> tuple[int, Any]:
        asked = {"question": QUESTION} | ({"pipeline": pipeline} if pipeline else {})
        return self.call("POST", "/api/v1/answers", json.dumps(asked).encode())


def told(status: int, said: Any) -> str:
    """One answer as what it admits: `full`, the sentences of its degraded mode, or the status."""
    if status != 200:
        return f"{status or 'nobody'}: {said['detail'] if isinstance(said, dict) else 'no connection'}"
    # On busy cores the time budget ends before the last candidate; that is no part that is away.
    lacking = [s for s in said["degraded"] if not s.startswith("Reranking stopped at its time budget")]
    if not said["passages"]:
        lacking.append("no passages")
    return "; ".join(lacking) or "full"


class Asking:
    """Asks again and again in a thread of its own, and counts what comes."""

    def __init__(self, site: Site) -> None:
        self.came: Counter[str] = Counter()
        self._site, self._stop = site, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=90)

    def _run(self) -> None:
        while not self._stop.wait(0.3):
            self.came[told(*self._site.ask())] += 1

    def wait_full(self, timeout_s: float = 180.0) -> None:
        """Until an answer that was asked for after this call is a full one."""
        before, until = self.came["full"], time.monotonic() + timeout_s
        while self.came["full"] < before + 2:  # one may have been under way
            if time.monotonic() > until:
                raise Failed(f"No full answer came any more within {timeout_s:.0f} s: {dict(self.came)}")
            time.sleep(0.2)
