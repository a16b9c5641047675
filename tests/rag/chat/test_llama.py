"""A language model in this process, by xllamacpp."""

import builtins
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rag.chat import llama
from rag.chat.base import Ended, Limits, Message
from rag.chat.llama import LlamaChat
from rag.errors import ModelError
from tests.contracts.chat import LONG_S, ChatContract

NAME = "smollm2-135m-instruct-q4_1"
FOLDER = Path(os.environ["SIEVE_MODEL_DIR"]) / NAME
SENTENCES = "".join(f"Ferry {n} leaves pier {n} at {n % 12 + 1} in the morning. " for n in range(12))
here = [
    pytest.mark.models,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="no xllamacpp here: make setup-llama"),
    pytest.mark.skipif(not FOLDER.exists(), reason=f"no model here: manage.py models pull {NAME}"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[LlamaChat]:
    yield llama.load(NAME, FOLDER, threads=1)


class TestLlama(ChatContract):
    pytestmark = here

    @pytest.fixture
    def chat(self, model: LlamaChat) -> LlamaChat:
        return model


def ended(model: LlamaChat, question: str, salt: str) -> Ended:
    messages = [Message("system", "Answer."), Message("user", f"{SENTENCES}\n{question}")]
    *_, last = model.stream(messages, Limits(max_tokens=2), deadline=time.monotonic() + LONG_S, salt=salt)
    assert isinstance(last, Ended)
    return last


class TestOurs:
    pytestmark = here

    def test_what_one_asker_had_read_is_read_anew_for_another(self, model: LlamaChat) -> None:
        ended(model, "When does ferry 3 leave?", "one")
        again = ended(model, "When does ferry 4 leave?", "one")
        assert again.cached_tokens > 0.8 * again.prompt_tokens
        assert ended(model, "When does ferry 4 leave?", "another").cached_tokens == 0

    def test_leaving_while_it_reads_lets_the_next_one_in(self, model: LlamaChat) -> None:
        messages = [Message("system", "x"), Message("user", "another beginning " + SENTENCES * 12)]
        writing = model.stream(messages, Limits(max_tokens=200), deadline=time.monotonic() + LONG_S)
        assert next(writing) == ""
        writing.close()
        began = time.monotonic()
        whole = ended(model, "When?", "x")
        waited = time.monotonic() - began
        assert whole.completion_tokens
        began = time.monotonic()
        list(model.stream(messages, Limits(max_tokens=1), deadline=time.monotonic() + LONG_S))
        assert waited < time.monotonic() - began, "it was read to its end for nobody"

    def test_tokens_are_those_of_the_model(self, model: LlamaChat) -> None:
        assert model.count(["The ferry leaves at seven."]) == [6]
        assert model.context_tokens == 8192

    def test_only_this_process_has_the_key(self, model: LlamaChat) -> None:
        import urllib.error
        import urllib.request

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(f"{model._service.url}/models", timeout=30)
        assert caught.value.code == 401

    def test_a_file_that_is_no_model_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(1000))
        with pytest.raises(ModelError, match="The model bad cannot be loaded"):
            llama.load("bad", tmp_path)

    def test_a_process_with_a_model_still_ends_when_it_is_told_to(self) -> None:
        program = (
            "import sys, threading, time\n"
            "from pathlib import Path\n"
            "from rag.chat import llama\n"
            f"t = threading.Thread(target=lambda: llama.load({NAME!r}, Path({str(FOLDER)!r}), threads=1))\n"
            "t.start(); t.join(); print('loaded', flush=True); time.sleep(60)\n"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "loaded\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == -signal.SIGTERM


# --- Without it ---------------------------------------------------------------------------------------------


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "xllamacpp":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match="make setup-llama"):
        llama.load(NAME, FOLDER)


@pytest.mark.parametrize("text", ["many", "0", "-5", "9999999"])
def test_a_setting_that_cannot_be_is_said(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIEVE_LLAMA_THREADS", text)
    with pytest.raises(ModelError, match=f"SIEVE_LLAMA_THREADS is '{text}': write a number of threads"):
        llama._threads()
