"""Any server that answers `POST /chat/completions` as OpenAI's does, piece by piece: vLLM first.

The request has one shape. Its url is the one that such clients call the base: `http://127.0.0.1:8000/v1`.
"""

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct

from rag.chat.base import Ended, Limits, Message
from rag.chat.replicas import Replica, Replicas
from rag.chat.reply import Reading
from rag.chat.tokens import Counter
from rag.errors import GenerationUnavailable, SpecError
from rag.exchange import BUSY, PAUSE_S, TRIES, Client, ServiceUnavailable
from rag.services import Service
from rag.streams import WAKE_S, Stream

NEEDS_SERVICE = True
DIALECT = "openai"
"""Of the service."""
GRACE_S = 0.05
"""So long a server may take to end a reply that is whole: the connection is kept then."""
ASK_S = 2.0
"""For what a server says of its models."""
ASK_AGAIN_S = 30.0


class _Model(Struct):
    id: str = ""
    owned_by: str = ""
    max_model_len: int | None = None


class _Models(Struct):
    data: list[_Model] = []


class OpenAIChat:
    """One model behind a service; see `ChatModel`."""

    def __init__(
        self, service: Service, model: str, *, context_tokens: int = 0, key: str = "", called: str = ""
    ) -> None:
        """`context_tokens` where they are known; `key` and `called` as `Client` takes them.

        Raises `SpecError` for a service of another kind, or one that cannot be.
        """
        if service.dialect != DIALECT:
            raise SpecError(
                f"A model that writes needs a service of dialect {DIALECT!r}, not {service.dialect!r}."
            )
        if not model:
            raise SpecError("A language model of a service is named `service/model`; the model is missing.")
        self.model = model
        self.fingerprint = ":".join(part for part in (DIALECT, model, service.fixed) if part)
        self._service = service
        self._name = called or f"The service ({service.dialect})"
        self._replicas = Replicas(service, key=key, called=called)
        root = service.url.rstrip("/").removesuffix("/v1")
        has_root = root != service.url.rstrip("/")
        self._counter = Counter(Client(service, url=root, key=key) if has_root else None, model)
        self._given_tokens = context_tokens
        self._told: _Model | None = None
        self._ask_at = -math.inf
        self._lock = Lock()

    @property
    def context_tokens(self) -> int:
        """As the server says; 0 where it does not, or cannot now."""
        return self._given_tokens or self._of_server().max_model_len or 0

    def count(self, texts: Sequence[str]) -> list[int]:
        return self._counter.count(texts)

    def stream(
        self, messages: Sequence[Message], limits: Limits, *, deadline: float, salt: str = ""
    ) -> Iterator[str | Ended]:
        """A server that fails before its first token is passed over for the next one. See `ChatModel`."""
        body = self._body(messages, limits, salt)
        last: ServiceUnavailable | None = None
        for tries in range(TRIES):
            pause = math.inf
            for replica in self._replicas.order(salt):
                begun = False
                try:
                    for piece in self._written_by(replica, body, limits.max_tokens, deadline):
                        begun = begun or bool(piece)
                        yield piece
                    return
                except ServiceUnavailable as error:
                    other = self._replicas.failed(replica, error)
                    if begun or not other or time.monotonic() >= deadline:
                        raise GenerationUnavailable(str(error)) from error
                    last = error
                    if error.status in BUSY:
                        wanted = PAUSE_S * 2**tries if error.retry_s is None else error.retry_s
                        pause = min(pause, wanted)
            until = time.monotonic() + pause
            if until >= deadline:
                break
            while (left := until - time.monotonic()) > 0:
                yield ""
                time.sleep(min(left, WAKE_S))
        raise GenerationUnavailable(str(last)) from last

    def _written_by(
        self, replica: Replica, body: object, max_tokens: int, deadline: float
    ) -> Iterator[str | Ended]:
        several = len(self._replicas.all) > 1
        patience = self._service.timeout_ms / 1000 if several else math.inf
        began = said = time.monotonic()
        reading = Reading(self._name, max_tokens)
        grace_s = 0.0
        stream = Stream(replica.client.pieces("/chat/completions", body, deadline=deadline))
        try:
            with self._replicas.work(replica):
                for at, piece in stream:
                    text = reading.take(piece, at)
                    late = at >= deadline or (not reading.began and at - began > patience)
                    if late and not text:
                        raise ServiceUnavailable(f"{self._name} gave no answer in time.", late=True)
                    if text or at - said >= WAKE_S or not piece:
                        said = at
                        yield text
                    if reading.done:
                        break
                ended = reading.ended(self._service, str(replica.number) if several else "")
                grace_s = GRACE_S
        finally:
            stream.close(grace_s)
        self._replicas.answered(replica)
        yield ended

    def _body(self, messages: Sequence[Message], limits: Limits, salt: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": one.role, "content": one.content} for one in messages],
            "max_tokens": limits.max_tokens,
            "temperature": limits.temperature,
            "seed": limits.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if limits.schema is not None:
            schema = {"name": "answer", "schema": dict(limits.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if salt and self._salted():
            body["cache_salt"] = hashlib.sha256(salt.encode()).hexdigest()
        return body

    def _salted(self) -> bool:
        if self._service.cache_salt is not None:
            return self._service.cache_salt
        return self._of_server().owned_by == "vllm"

    def _of_server(self) -> _Model:
        """What it says of this model; asked once, and where it did not answer after a while again."""
        with self._lock:
            if self._told is None and time.monotonic() >= self._ask_at:
                self._ask_at = time.monotonic() + ASK_AGAIN_S
                self._told = self._ask()
            return self._told or _Model()

    def _ask(self) -> _Model | None:
        for replica in self._replicas.order(""):
            try:
                reply = replica.client.get("/models", deadline=time.monotonic() + ASK_S)
                models = msgspec.json.decode(reply, type=_Models).data
            except (ServiceUnavailable, msgspec.MsgspecError, ValueError, RecursionError):
                continue
            return next((one for one in models if one.id == self.model), _Model())
        return None


def connect(service: Service, model: str) -> OpenAIChat:
    return OpenAIChat(service, model)


class _Answered(Struct):
    choices: list[Any]


def alive(service: Service, model: str, *, deadline: float) -> tuple[str, ...]:
    """Have each server of a service write one token: what is wrong with it in a sentence, or nothing.

    Some say that they are well by `/health` while their engine hangs.
    """
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}

    def of(replica: Replica) -> str:
        try:
            reply = replica.client.post("/chat/completions", body, deadline=deadline)
            if not msgspec.json.decode(reply, type=_Answered).choices:
                return f"The service ({service.dialect}) wrote nothing."
        except ServiceUnavailable as error:
            return str(error)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return f"The service ({service.dialect}) answered in another format."
        return ""

    replicas = Replicas(service).all
    with ThreadPoolExecutor(len(replicas)) as pool:
        return tuple(pool.map(of, replicas))
