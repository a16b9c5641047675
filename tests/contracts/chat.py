"""What every chat model must do. Subclass `ChatContract` and give the fixture `chat`."""

import json
import threading
import time
from collections.abc import Sequence

import pytest

from rag.chat.base import ChatModel, Ended, Limits, Message
from rag.errors import GenerationUnavailable

MESSAGES = (
    Message("system", "You answer in one short sentence."),
    Message("user", "When does the ferry leave?\n\nThe ferry leaves at seven in the morning."),
)
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 40}},
    "required": ["answer"],
    "additionalProperties": False,
}
LONG_S = 240.0
"""A real model on a busy machine takes its time."""


def collect(
    chat: ChatModel, limits: Limits, messages: Sequence[Message] = MESSAGES, within_s: float = LONG_S
) -> tuple[str, Ended]:
    *pieces, ended = chat.stream(messages, limits, deadline=time.monotonic() + within_s, salt="one of us")
    assert isinstance(ended, Ended)
    assert all(isinstance(piece, str) for piece in pieces)
    return "".join(str(piece) for piece in pieces), ended


class ChatContract:
    def test_pieces_and_then_how_it_ended(self, chat: ChatModel) -> None:
        text, ended = collect(chat, Limits(max_tokens=12))
        assert text.strip()
        assert ended.reason in ("stop", "length")
        assert 0 < ended.completion_tokens <= 12
        assert ended.prompt_tokens > 10

    def test_no_more_is_written_than_is_allowed(self, chat: ChatModel) -> None:
        text, ended = collect(chat, Limits(max_tokens=2))
        assert ended.reason == "length"
        assert ended.completion_tokens == 2
        assert len(text.split()) <= 2

    def test_the_same_is_written_again(self, chat: ChatModel) -> None:
        limits = Limits(max_tokens=8, temperature=0.0, seed=3)
        assert collect(chat, limits)[0] == collect(chat, limits)[0]

    def test_text_follows_a_schema(self, chat: ChatModel) -> None:
        text, _ = collect(chat, Limits(max_tokens=60, schema=SCHEMA))
        assert isinstance(json.loads(text)["answer"], str)

    def test_whoever_waits_gets_to_see_that_nothing_came(self, chat: ChatModel) -> None:
        """Between two pieces, the empty ones included, nobody waits for long."""
        times = [time.monotonic()]
        for _ in chat.stream(MESSAGES, Limits(max_tokens=8), deadline=time.monotonic() + LONG_S):
            times.append(time.monotonic())
        gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
        assert max(gaps) < 5, "0.25 s, and a busy machine"

    def test_leaving_is_quick_and_another_can_ask(self, chat: ChatModel) -> None:
        writing = chat.stream(MESSAGES, Limits(max_tokens=200), deadline=time.monotonic() + LONG_S)
        next(writing)
        began = time.monotonic()
        writing.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 2
        assert not [thread for thread in threading.enumerate() if thread.name == "stream"]
        assert collect(chat, Limits(max_tokens=4))[0]

    def test_time_that_is_over_is_said(self, chat: ChatModel) -> None:
        with pytest.raises(GenerationUnavailable) as raised:
            list(chat.stream(MESSAGES, Limits(max_tokens=4), deadline=time.monotonic() - 1))
        assert str(raised.value).endswith(".")

    def test_a_deadline_is_kept(self, chat: ChatModel) -> None:
        began = time.monotonic()
        with pytest.raises(GenerationUnavailable):
            list(chat.stream(MESSAGES, Limits(max_tokens=4000), deadline=began + 0.2))
        assert time.monotonic() - began < 3

    def test_more_text_has_more_tokens_and_none_has_none(self, chat: ChatModel) -> None:
        none, one, two = chat.count(["", "the ferry", "the ferry leaves at seven, 7:00"])
        assert none == 0
        assert 2 <= one < two

    def test_it_says_what_it_is(self, chat: ChatModel) -> None:
        assert chat.model
        assert chat.model in chat.fingerprint
        assert chat.context_tokens >= 0
