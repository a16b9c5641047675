"""The client that both packages carry, before servers that are wrong. Needs neither framework."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integrations.conftest import ROOT

FILES = [ROOT / "langchain/sieve_langchain/client.py", ROOT / "llama_index/sieve_llama_index/client.py"]
Server = Callable[..., str]


def test_both_packages_carry_the_same_client() -> None:
    assert FILES[0].read_bytes() == FILES[1].read_bytes()


@pytest.fixture
def client() -> Iterator[object]:
    """The module, from its file: the packages around it need their frameworks."""
    import sys
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("sieve_client_alone", FILES[0])
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def server() -> Iterator[Server]:
    """`server(status, body)`: an address where every request is answered so; keeps what it was sent."""
    running: list[ThreadingHTTPServer] = []

    def start(
        status: int, body: bytes, headers: dict[str, str] | None = None, seen: list | None = None
    ) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                (seen if seen is not None else []).append(
                    (self.path, dict(self.headers), self.rfile.read(length))
                )
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_: object) -> None: ...

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}"

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


def results(*pairs: tuple[object, object]) -> bytes:
    return json.dumps({"results": [{"index": i, "relevance_score": s} for i, s in pairs]}).encode()


def test_only_what_was_named_is_sent(client: object, server: Server) -> None:
    seen: list = []
    asked = client.SieveClient(server(200, results((1, 0.9), (0, 0.1)), seen=seen) + "/", "sv_k")
    assert asked.ranked("q", ["a", "b"]) == [(1, 0.9), (0, 0.1)]
    path, headers, body = seen[0]
    assert (path, headers["Authorization"]) == ("/api/v1/rerank", "Bearer sv_k")
    assert json.loads(body) == {"query": "q", "documents": ["a", "b"]}


@pytest.mark.parametrize(
    "body",
    [
        results((2, 0.5)),
        results((-1, 0.5)),
        results((0, 0.5), (0, 0.4)),
        results(("x", 0.5)),
        results((0, None)),
        *(b"{}", b"[]", b"null", b"not JSON", b"\xff", b"", b'{"results": 7}'),
    ],
)
def test_an_answer_that_is_none_is_unavailable(client: object, server: Server, body: bytes) -> None:
    with pytest.raises(client.SieveUnavailable):
        client.SieveClient(server(200, body), "sv_k").ranked("q", ["a", "b"])


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (401, False), (404, False), (429, True), (500, False), (503, True)]
)
def test_a_problem_says_whether_to_try_again(
    client: object, server: Server, status: int, again: bool
) -> None:
    problem = json.dumps({"detail": "A sentence.", "code": "a_code"}).encode()
    with pytest.raises(client.SieveError, match=r"A sentence\.") as refused:
        client.SieveClient(server(status, problem), "sv_k").search("q")
    assert isinstance(refused.value, client.SieveUnavailable) is again
    assert (refused.value.status, refused.value.code) == (status, "a_code")
    with pytest.raises(client.SieveError, match=f"status {status}"):
        client.SieveClient(server(status, b"<html>"), "sv_k").search("q")


def test_the_key_follows_no_redirect(client: object, server: Server) -> None:
    seen: list = []
    elsewhere = server(200, b"{}", seen=seen)
    for status in (301, 302, 307, 308):
        with pytest.raises(client.SieveError, match=f"status {status}"):
            client.SieveClient(server(status, b"", {"Location": elsewhere}), "sv_k").search("q")
    assert seen == []


def test_an_address_that_is_none_is_refused_and_the_key_not_shown(client: object) -> None:
    with pytest.raises(ValueError, match="no address"):
        client.SieveClient("file:///etc/passwd", "sv_k")
    assert "sv_k" not in repr(client.SieveClient("http://localhost", "sv_k"))
