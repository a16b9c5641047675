"""A chat model writes text for messages. Whatever asks one asks it through this: answers, rewriting, judging.

A backend is one module here: `connect(service, model)` with `NEEDS_SERVICE = True` for a server, or
`load(name, directory, *, threads)` for a model of the store. It gives a `ChatModel`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How it is to write; all of it part of what decides an answer."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    schema: Mapping[str, Any] | None = None
    """A JSON schema that the text must follow, where the backend can hold the model to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a chat model yields last."""

    reason: Literal["stop", "length"]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    tokens_per_s: float = 0.0
    server: str = ""
    usd: float = 0.0


class ChatModel(Protocol):
    """One model, in this process or behind a server. Threads may share it."""

    fingerprint: str
    model: str
    """Its name, as an answer says it."""
    context_tokens: int
    """Most tokens of messages and text together; 0: not known."""

    def stream(
        self, messages: Sequence[Message], limits: Limits, *, deadline: float, salt: str = ""
    ) -> Iterator[str | Ended]:
        """Pieces of text as they are written, then exactly one `Ended`.

        An empty piece says that there is nothing yet. One comes at least four times a second, so that whoever
        iterates gets to see whether the asker is still there, and can close the iterator. That ends the
        writing, on the server too. `deadline` is in seconds of `time.monotonic()`. `salt` keeps what the
        server remembers of these messages apart from that of other salts. Raises `GenerationUnavailable` at
        any point.
        """
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by the model's own tokenizer, or a number that is surely not too small."""
        ...
