"""Short answers of a language model behind an OpenAI-compatible server; texts as data in its prompts.

What stands in a passage or a question is never more than text: it can neither end its turn nor pass for a
number of ours.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from rag.errors import RerankUnavailable, SpecError
from rag.exchange import Client, ServiceUnavailable
from rag.services import Service
from rag.types import Spent

Message = Mapping[str, str]
T = TypeVar("T", bound=Struct)
DIALECT = "openai"
"""Of the service; its url is the one that such clients call the base: `https://api.openai.com/v1`."""
MAX_QUERY_WORDS = 256
LETTERS_PER_WORD = 8
"""Of a text that has no spaces, so many letters count as a word."""
_TURNED = str.maketrans("[]", "()")
_OPENED = re.compile(r"<(?=\S)")


def as_data(text: str, *, words: int) -> str:
    """At most `words` words in one line, without square brackets and with a space after each `<`.

    Identifiers are written in brackets, and every chat template known here begins its marks with one of the
    two (`<|im_end|>`, `</s>`, `[INST]`); so no passage can carry either.
    """
    cut = " ".join(text[: 4 * words * LETTERS_PER_WORD].split()[:words])[: words * LETTERS_PER_WORD]
    return _OPENED.sub("< ", cut.translate(_TURNED)).encode("utf-8", "replace").decode("utf-8")


def chosen(options: type[T], given: Mapping[str, Any], backend: str) -> T:
    """What the spec chose. Raises `SpecError` naming an option that there is not, or its limits."""
    try:
        return msgspec.convert(dict(given), options)
    except msgspec.ValidationError as error:
        there_are = ", ".join(options.__struct_fields__)
        raise SpecError(f"An option of {backend} is wrong: {error}. There are: {there_are}.") from error


class _Alternative(Struct):
    token: str
    logprob: float


class _Token(Struct):
    top_logprobs: list[_Alternative] = []


class _Logprobs(Struct):
    content: list[_Token] | None = None


class _Message(Struct):
    content: str | None = None


class _Choice(Struct):
    message: _Message
    logprobs: _Logprobs | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class Late(RerankUnavailable):
    """There was no time for this answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, without what it thought before."""

    text: str
    tokens: int
    """Read and written, as the server counted them; 0 where it does not say."""
    first: Mapping[str, float] = field(default_factory=dict)
    """Log-probabilities of the likeliest first tokens, where they were asked for and are given."""


class Chat:
    """One model of one server. Threads may share it."""

    def __init__(self, service: Service, model: str) -> None:
        """Raises `SpecError` for a service of another kind."""
        if service.dialect != DIALECT:
            raise SpecError(
                f"A model that writes needs a service of dialect {DIALECT!r}, not {service.dialect!r}."
            )
        if not model:
            raise SpecError("A language model of a service is named `service/model`; the model is missing.")
        self._service, self._model = service, model
        self._client = Client(service)
        self.at_once = service.at_once
        self.fingerprint = ":".join(part for part in (DIALECT, model, service.fixed) if part)

    def ask(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        deadline: float,
        reasoning_tokens: int = 0,
        top_logprobs: int = 0,
    ) -> Reply:
        """The likeliest answer. Raises `Late` where it takes too long, `RerankUnavailable` where it fails."""
        body: dict[str, Any] = {"model": self._model, "messages": list(messages)}
        if reasoning_tokens:  # such models take neither a temperature nor the older name of the limit
            body["max_completion_tokens"] = max_tokens + reasoning_tokens
        else:
            body |= {"max_tokens": max_tokens, "temperature": 0}
        if top_logprobs:
            body |= {"logprobs": True, "top_logprobs": top_logprobs}
        try:
            said = msgspec.json.decode(
                self._client.post("/chat/completions", body, deadline=deadline), type=_Completion
            )
        except ServiceUnavailable as error:
            raise (Late if error.late else RerankUnavailable)(str(error)) from error
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise RerankUnavailable("The language model's server answered in another format.") from error
        if not said.choices:
            raise RerankUnavailable("The language model's server gave a reply without an answer.")
        choice = said.choices[0]
        tokens = choice.logprobs.content or [] if choice.logprobs else []
        usage = said.usage or _Usage()
        return Reply(
            text=(choice.message.content or "").rpartition("</think>")[2],
            tokens=usage.prompt_tokens + usage.completion_tokens,
            first={one.token: one.logprob for one in tokens[0].top_logprobs} if tokens else {},
        )

    def spent(self, replies: Sequence[Reply], *, texts: int, repaired: int) -> Spent:
        tokens = sum(reply.tokens for reply in replies)
        price = tokens / 1e6 * self._service.usd_per_million_tokens
        return Spent(
            texts=texts,
            tokens=tokens,
            requests=len(replies),
            usd=price + len(replies) * self._service.usd_per_search,
            repaired=repaired,
        )


class Pace:
    """Seconds that a request takes here, as a running mean; nothing is known before one has ended."""

    def __init__(self) -> None:
        self._seconds = 0.0

    @contextmanager
    def of_one(self) -> Iterator[None]:
        """Around one request, whose time counts; of one that was late or failed it counts as the least."""
        began = time.monotonic()
        try:
            yield
        except RerankUnavailable:
            self._seconds = max(self._seconds, time.monotonic() - began)
            raise
        seconds = time.monotonic() - began
        self._seconds = self._seconds + 0.3 * (seconds - self._seconds) if self._seconds else seconds

    def fits(self, requests: int, deadline: float) -> int:
        """How many of these, one after another, end in time; all of them while nothing is known."""
        left = max(0.0, deadline - time.monotonic())
        return min(requests, int(left / self._seconds)) if self._seconds else requests
