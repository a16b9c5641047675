import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rag import services
from rag.errors import SpecError
from rag.exchange import Client, ServiceUnavailable
from rag.services import Service

FILE = """
[cohere]
dialect = "cohere_v2"
url = "https://api.cohere.com"
key_file = "{key}"
usd_per_search = 0.002

[house]
dialect = "tei"
url = "http://127.0.0.1:8080/rerank-me"
max_texts = 64
"""


def test_a_file_of_services_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" sk-1\n")
    (tmp_path / "services.toml").write_text(FILE.format(key=tmp_path / "key"))
    found = services.read(tmp_path / "services.toml")
    assert list(found) == ["cohere", "house"]
    assert (found["cohere"].key, found["house"].key) == ("sk-1", "")
    assert (found["cohere"].timeout_ms, found["house"].max_texts) == (10_000, 64)
    assert services.read(None) == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[a]\ndialect = 'tei'\nurl = 'ftp://x'", "url"),
        ("[a]\nurl = 'http://x'", "dialect"),
        ("[a]\ndialect = 'tei'\nurl = 'http://x'\nkey = 'sk-1'", "key"),
        ("[a]\ndialect = 'tei'\nurl = 'http://x'\nusd_per_search = -1", "usd_per_search"),
        ("[a]\ndialect = 'tei'\nurl = 'http://x'\nat_once = 0", "at_once"),
        ("dialect = 'tei'", "Expected"),
        ("[a", "end of a table declaration"),
        ("\udcff", "utf-8"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_and_a_key_is_not_shown(
    text: str, named: str, tmp_path: Path
) -> None:
    (tmp_path / "services.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SpecError) as caught:
        services.read(tmp_path / "services.toml")
    assert str(caught.value).startswith("The file of services services.toml is wrong: ")
    assert named in str(caught.value)
    assert "sk-1" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        services.read(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    "url", ["http://", "http://host:99999", "http://me:secret@host", "http://host/?key=1", "https://h#x"]
)
def test_an_address_that_cannot_be_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(SpecError) as caught:
        Client(Service(dialect="tei", url=url))
    assert "secret" not in str(caught.value)


def test_a_certificate_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for file in (tmp_path / "ca.pem", tmp_path / "absent.pem"):
        with pytest.raises(SpecError) as caught:
            Client(Service(dialect="tei", url="https://host", ca_file=str(file)))
        assert "ca_file" in str(caught.value)


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "ca.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def secure(certificate: Path) -> Iterator[str]:
    """A server with TLS; `/drip` sends its answer a byte at a time."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05 if self.path == "/drip" else 0)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

        def handle_error(self, *_: object) -> None:
            """A client that has left is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_server_of_the_house_is_trusted_by_its_own_authority(secure: str, certificate: Path) -> None:
    client = Client(Service(dialect="tei", url=secure, ca_file=str(certificate / "ca.pem")))
    for _ in range(3):
        assert client.post("/", {"a": 1}, deadline=time.monotonic() + 10) == b'{"a":1}'


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_is_not_trusted_or_of_another_name_is_no_server(
    host: str, secure: str, certificate: Path
) -> None:
    trusted = "" if host == "localhost" else str(certificate / "ca.pem")
    client = Client(Service(dialect="tei", url=secure.replace("localhost", host), ca_file=trusted))
    with pytest.raises(ServiceUnavailable) as caught:
        client.post("/", {}, deadline=time.monotonic() + 10)
    assert "certificate that is not trusted" in str(caught.value)


def test_a_dripping_server_with_tls_ends_in_time(secure: str, certificate: Path) -> None:
    client = Client(Service(dialect="tei", url=secure, ca_file=str(certificate / "ca.pem")))
    client.post("/", {}, deadline=time.monotonic() + 10)
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable) as caught:
        client.post("/drip", {"text": "a" * 100}, deadline=began + 0.4)
    assert caught.value.late
    assert time.monotonic() - began < 0.65


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize("slowly", [False, True])
def test_a_server_that_hardly_reads_what_is_sent_ends_in_time(
    slowly: bool, secured: bool, certificate: Path
) -> None:
    """Its buffers take a part of a large request, and then nothing more, or a little now and then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    kept = []

    def accept() -> None:
        try:
            connection, _ = listening.accept()
            kept.append(context.wrap_socket(connection, server_side=True) if secured else connection)
            for _ in range(100 if slowly else 0):
                kept[0].recv(65_536)
                time.sleep(0.05)
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        scheme = "https" if secured else "http"
        url = f"{scheme}://localhost:{listening.getsockname()[1]}"
        client = Client(Service(dialect="tei", url=url, ca_file=str(certificate / "ca.pem")))
        began = time.monotonic()
        with pytest.raises(ServiceUnavailable) as caught:
            client.post("/", {"text": "a" * 30_000_000}, deadline=began + 0.6)
        assert caught.value.late
        assert time.monotonic() - began < 1.1
    for connection in kept:
        connection.close()
