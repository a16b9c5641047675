"""The events of a chat that is written piece by piece → its text, and how it ended."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from rag.chat.base import Ended
from rag.chat.sse import Events
from rag.exchange import ServiceUnavailable
from rag.services import Service

DONE = b"[DONE]"
LONGEST_TOKEN = 100
"""Characters, on average of an answer: a server that writes more than so many for each is not believed."""
Tokens = Annotated[int, Meta(ge=0)]


class _Delta(Struct):
    content: str | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Details(Struct):
    cached_tokens: Tokens | None = None


class _Usage(Struct):
    prompt_tokens: Tokens = 0
    completion_tokens: Tokens = 0
    prompt_tokens_details: _Details | None = None


class _Chunk(Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None
    object: Any = None
    code: Any = None


class Reading:
    """One reply, fed in as it comes. Every method raises `ServiceUnavailable` for what is no such reply."""

    def __init__(self, name: str, max_tokens: int) -> None:
        """`name` is the service's, for sentences."""
        self.done = False
        """The server said that nothing follows."""
        self.began = False
        """Text has come."""
        self._name = name
        self._events = Events()
        self._room = LONGEST_TOKEN * (max_tokens + 10)
        self._reason = ""
        self._usage = _Usage()
        self._first = self._last = 0.0

    def take(self, piece: bytes, at: float) -> str:
        """The text that these bytes complete; `at` is when they came."""
        text = ""
        try:
            for data in self._events.feed(piece):
                if self.done or data.strip() == DONE:
                    self.done = True
                    break
                text += self._of(msgspec.json.decode(data, type=_Chunk))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ServiceUnavailable(f"{self._name} answered in another format.") from error
        self._room -= len(text)
        if self._room < 0:
            raise ServiceUnavailable(f"{self._name} writes more than it was allowed to.")
        if text:
            self._first = self._first if self.began else at
            self.began, self._last = True, at
        return text

    def _of(self, chunk: _Chunk) -> str:
        if chunk.error is not None or chunk.object == "error":
            told = chunk.error if isinstance(chunk.error, dict) else {"code": chunk.code}
            status = told.get("code")
            raise ServiceUnavailable(
                f"{self._name} reported an error while it wrote.",
                said=msgspec.json.encode(told).decode()[:2000],
                status=status if isinstance(status, int) else 500,
            )
        self._usage = chunk.usage or self._usage
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._reason = choice.finish_reason or self._reason
        return (choice.delta.content or "") if choice.delta else ""

    def ended(self, service: Service, server: str) -> Ended:
        """When nothing more comes."""
        if self._reason not in ("stop", "length", ""):
            raise ServiceUnavailable(f"{self._name} ended the answer for a reason of its own.")
        if not self._reason and not (self.done and self.began):
            raise ServiceUnavailable(f"{self._name} broke off in the middle of the answer.")
        reason: Literal["stop", "length"] = "length" if self._reason == "length" else "stop"
        usage, seconds = self._usage, self._last - self._first
        details = usage.prompt_tokens_details
        written_price = service.usd_per_million_written or service.usd_per_million_tokens
        price = usage.prompt_tokens * service.usd_per_million_tokens + usage.completion_tokens * written_price
        return Ended(
            reason=reason,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=(details.cached_tokens or 0) if details else 0,
            tokens_per_s=max(usage.completion_tokens - 1, 0) / seconds if seconds > 0 else 0.0,
            server=server,
            usd=price / 1e6,
        )
