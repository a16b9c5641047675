"""A chat model that says what it was told to, in pieces, and remembers what it was asked."""

from collections.abc import Iterator, Sequence

from rag.chat.base import Ended, Limits, Message
from rag.errors import GenerationUnavailable


class ScriptedChat:
    fingerprint = "scripted-chat"
    model = "scripted"
    context_tokens = 0

    def __init__(self, *said: str, error: str = "") -> None:
        self._said, self._error = list(said), error
        self.asked: list[tuple[Sequence[Message], Limits, str]] = []

    def stream(
        self, messages: Sequence[Message], limits: Limits, *, deadline: float, salt: str = ""
    ) -> Iterator[str | Ended]:
        self.asked.append((messages, limits, salt))
        if self._error:
            raise GenerationUnavailable(self._error)
        said = self._said[min(len(self.asked), len(self._said)) - 1]
        for start in range(0, len(said), 3):
            yield said[start : start + 3]
        yield Ended(reason="stop")

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]
