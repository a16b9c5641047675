"""How many tokens a text has: counted by the server that will read it, or estimated so that it is no less."""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import msgspec
from msgspec import Struct

from rag.exchange import Client, ServiceUnavailable

KEPT = 4096
WAIT_S = 2.0
"""Longest that counting may take; what is left of the texts is estimated."""
REST_S = 60.0
"""A server that did not count is not asked again for so long."""
_PIECES = re.compile(r"[A-Za-z]+|[^\S ]|[^A-Za-z\s]| +")


def estimate(text: str) -> int:
    """Tokens that no tokenizer of a language model in use exceeds on what people write.

    Two letters a token; digits, signs and line ends one each; of other scripts one for each byte. On English
    it is about twice too many.
    """
    found = 0
    for piece in _PIECES.findall(text):
        if piece[0] == " ":
            found += len(piece) > 1
        else:
            found += math.ceil(len(piece.encode("utf-8", "replace")) / 2) if piece.isascii() else 0
            found += 0 if piece.isascii() else len(piece.encode("utf-8", "replace"))
    return found


class _Counted(Struct):
    count: int | None = None
    tokens: list[int] = []


class Counter:
    """The tokenizer of a server at `/tokenize`, as vLLM and llama.cpp have it. Threads may share it."""

    def __init__(self, client: Client | None, model: str) -> None:
        """`client` at the root of the server; None where there is surely no tokenizer."""
        self._client, self._model = client, model
        self._lock = Lock()
        self._known: OrderedDict[str, int] = OrderedDict()
        self._not_before = -math.inf

    def count(self, texts: Sequence[str]) -> list[int]:
        deadline = time.monotonic() + WAIT_S
        return [self._of(text, deadline) for text in texts]

    def _of(self, text: str, deadline: float) -> int:
        with self._lock:
            if (known := self._known.get(text)) is not None:
                self._known.move_to_end(text)
                return known
        if self._client is None or time.monotonic() < self._not_before:
            return estimate(text)
        # The first two names are vLLM's, the third is llama.cpp's; each ignores those of the other.
        body = {"model": self._model, "prompt": text, "content": text, "add_special_tokens": False}
        try:
            reply = self._client.post("/tokenize", body, deadline=deadline)
            said = msgspec.json.decode(reply, type=_Counted)
        except (ServiceUnavailable, msgspec.MsgspecError, ValueError, RecursionError):
            self._not_before = time.monotonic() + REST_S
            return estimate(text)
        number = len(said.tokens) if said.count is None else said.count
        if number < 0 or (not number and text.strip()):
            self._not_before = time.monotonic() + REST_S
            return estimate(text)
        with self._lock:
            self._known[text] = number
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return number
