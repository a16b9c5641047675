"""Asks a Sieve server. Standard library only; the same file in each package of this folder."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Any

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses that pass: a moment later the answer may be another one."""
MOST_BYTES = 64 * 2**20
"""Of an answer; a longer one is none of Sieve's."""


class SieveError(Exception):
    """Sieve refused the request; the message says what was wrong with it."""

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class SieveUnavailable(SieveError):
    """Sieve cannot be reached, is busy, or lacks a part that it needs now."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key to another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True)
class SieveClient:
    """One server and one key. Threads may share it."""

    url: str
    """Address of the site: `https://sieve.example.org`."""
    key: str = field(repr=False)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"{self.url!r} is no address. It begins with https:// or http://.")

    def search(
        self,
        question: str,
        *,
        collections: Sequence[str] = (),
        pipeline: str | None = None,
        top: int = 10,
        filters: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `/api/v1/search` answers: `passages`, best first, `degraded`, `trace_id`."""
        asked: dict[str, Any] = {"question": question, "top": top}
        more = {"collections": list(collections), "pipeline": pipeline, "filters": filters}
        return self.post("/api/v1/search", asked | {name: value for name, value in more.items() if value})

    def ranked(
        self,
        query: str,
        texts: Sequence[str],
        *,
        model: str | None = None,
        top_n: int | None = None,
        budget_ms: int | None = None,
    ) -> list[tuple[int, float]]:
        """Place and score (0 to 1) of each text, best first; those without a score are left out."""
        asked: dict[str, Any] = {"query": query, "documents": list(texts)}
        more = {"model": model, "top_n": top_n, "budget_ms": budget_ms}
        answer = self.post("/api/v1/rerank", asked | {name: value for name, value in more.items() if value})
        try:
            found = [(int(one["index"]), float(one["relevance_score"])) for one in answer["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise SieveUnavailable("The answer of Sieve cannot be read.") from error
        places = {place for place, _ in found}
        if len(places) != len(found) or not places <= set(range(len(texts))):
            raise SieveUnavailable("The answer of Sieve does not fit the texts.")
        return found

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON that is answered. Raises `SieveError`: `SieveUnavailable` where trying again may help."""
        request = urllib.request.Request(  # noqa: S310 (the scheme was checked)
            self.url.rstrip("/") + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.timeout_s) as answer:
                data = answer.read(MOST_BYTES)
            found = json.loads(data)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code, error.read(MOST_BYTES)) from None
        except (OSError, ValueError) as error:
            raise SieveUnavailable(f"Sieve cannot be asked: {type(error).__name__}.") from error
        if not isinstance(found, dict):
            raise SieveUnavailable("The answer of Sieve cannot be read.")
        return found


def _refused(status: int, data: bytes) -> SieveError:
    """The problem in the body (RFC 9457), or the status where there is none."""
    try:
        problem = json.loads(data)
        said, code = str(problem["detail"]), str(problem["code"])
    except (KeyError, TypeError, ValueError):
        said, code = f"Sieve answered with the status {status}.", ""
    return (SieveUnavailable if status in AGAIN else SieveError)(said, status, code)
