"""One short text from a chat model, whole."""

from collections.abc import Callable, Sequence
from typing import Any

from rag.chat.base import ChatModel, Ended, Limits, Message

Load = Callable[[str, str, str], Any]


def model_of(name: str, load: Load) -> ChatModel:
    """`service/model`, or a model of the store. Raises `ModelError` where it is not here."""
    model: ChatModel = load("chat", "openai" if "/" in name else "llama", name)
    return model


def said(
    model: ChatModel, messages: Sequence[Message], limits: Limits, *, deadline: float, salt: str = ""
) -> str:
    """All that it writes, cut off at the limit or not. Raises `GenerationUnavailable`."""
    pieces = model.stream(messages, limits, deadline=deadline, salt=salt)
    return "".join(piece for piece in pieces if not isinstance(piece, Ended))
