"""A language model in this process: a GGUF file of the store, computed by llama.cpp (the package xllamacpp).

llama.cpp comes with its own server, on a port of the loopback address that only this process has the key of.
It is asked like any other server: so leaving ends the writing, also while the question is still being read.
"""

import atexit
import ctypes
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rag.chat.base import Ended, Limits, Message
from rag.chat.openai import DIALECT, OpenAIChat
from rag.errors import ModelError
from rag.parallel import cores
from rag.placement import digest_of
from rag.services import Service

WEIGHTS = "model.gguf"
CONTEXT = 8192
"""Tokens of a question with its passages and its answer, unless SIEVE_LLAMA_CONTEXT says another number."""
BATCH = 128
"""Tokens of a question that are read at once: whether the asker is still there is looked at between them."""
SMALLEST, LARGEST = 512, 131_072
_SIGACTION_BYTES = 1024
"""More than any libc's `struct sigaction` has."""


class LlamaChat(OpenAIChat):
    """One answer at a time; whoever asks meanwhile waits, at most until the own deadline."""

    def __init__(self, server: Any, name: str, *, context_tokens: int, key: str, fingerprint: str) -> None:
        address = str(server.listening_address)
        service = Service(dialect=DIALECT, url=f"{address}/v1", cache_salt=False)
        called = f"The language model {name}"
        super().__init__(service, name, context_tokens=context_tokens, key=key, called=called)
        self.fingerprint = fingerprint
        self._server = server
        self._salts = threading.Lock()
        self._last_salt = ""

    def stream(
        self, messages: Sequence[Message], limits: Limits, *, deadline: float, salt: str = ""
    ) -> Iterator[str | Ended]:
        whole = False
        try:
            for piece in super().stream(messages, limits, deadline=deadline, salt=salt):
                whole = isinstance(piece, Ended)
                yield piece
        finally:
            if not whole:
                self._forget()

    def _body(self, messages: Sequence[Message], limits: Limits, salt: str) -> dict[str, Any]:
        """What the model has read for one salt it reads anew for another: how fast it is says nothing."""
        with self._salts:
            same, self._last_salt = salt == self._last_salt, salt
        return super()._body(messages, limits, salt) | {"cache_prompt": same}

    def _forget(self) -> None:
        """It is not known what the model has read last."""
        with self._salts:
            self._last_salt = secrets.token_hex()


def load(name: str, directory: Path, *, threads: int | None = None) -> LlamaChat:
    """The model of this name in its folder. Raises `ModelError` saying what is missing."""
    llama = _get()
    key = secrets.token_hex(32)
    context = _number("SIEVE_LLAMA_CONTEXT", CONTEXT, "tokens", SMALLEST, LARGEST)
    params = llama.CommonParams()
    params.model.path = str(directory / WEIGHTS)
    params.model_alias = {name}
    params.n_ctx, params.n_parallel = context, 1
    params.n_batch = params.n_ubatch = BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or _threads()
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # a thread that waits leaves its core to others
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
    params.endpoint_props = params.endpoint_slots = params.ui = params.warmup = False
    params.cache_ram_mib = 0  # would keep what was asked before, of anybody
    params.verbosity = 0
    try:
        with _signals_kept():
            server = llama.Server(params)
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"The model {name} cannot be loaded by xllamacpp: {error}") from error
    fingerprint = f"llama:{name}:{digest_of(directory)[:12]}"
    chat = LlamaChat(server, name, context_tokens=context, key=key, fingerprint=fingerprint)
    atexit.register(chat.__dict__.pop, "_server", None)  # its threads end before the interpreter does
    return chat


def _get() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError("A language model in this process needs xllamacpp: make setup-llama") from error
    return xllamacpp


def _threads() -> int:
    """One core is left to the rest. Its threads wait for each other without rest, and where one of them has
    no core, all of them stand still.
    """
    return _number("SIEVE_LLAMA_THREADS", max(1, cores() - 1), "threads", 1, 512)


def _number(name: str, default: int, what: str, least: int, most: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ModelError(f"{name} is {text!r}: write a number of {what} from {least} to {most}.")
    return int(text)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """llama.cpp's server takes Ctrl-C and SIGTERM for itself; a web server would not end any more.

    Python's own way of setting a handler works in the main thread only.
    """
    sigaction = ctypes.CDLL(None).sigaction
    kept = {
        number: ctypes.create_string_buffer(_SIGACTION_BYTES) for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number, action in kept.items():
        sigaction(int(number), None, action)
    try:
        yield
    finally:
        for number, action in kept.items():
            sigaction(int(number), action, None)
