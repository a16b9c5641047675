"""Prompts are modules here, one each. Its words have a fingerprint, which stands in every answer's usage.

A prompt for answers has `messages(question, context)`, which gives the messages for a chat model, and
`FINGERPRINT`. What it says to the model is fixed; what comes from documents and people goes through
`rag.prompts.data`.
"""

import hashlib
import importlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from rag.chat.base import Message
from rag.errors import SpecError
from rag.types import Passage

_MAKES = re.compile(r"^def messages\(question: str, context: ", re.MULTILINE)


class AnswerPrompt(Protocol):
    FINGERPRINT: str

    def messages(self, question: str, context: Sequence[Passage]) -> tuple[Message, ...]:
        """`context[i]` is numbered `i + 1`."""
        ...


def fingerprint(name: str, *words: str) -> str:
    """Of a prompt's fixed words: `answer:3f2a91c0`."""
    return f"{name}:{hashlib.sha256(chr(0).join(words).encode()).hexdigest()[:8]}"


@cache
def names() -> tuple[str, ...]:
    """The prompts for answers."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(file.stem for file in files if _MAKES.search(file.read_text("utf-8"))))


def named(name: str) -> AnswerPrompt:
    """Raises `SpecError` listing what there is when the name is wrong."""
    if name not in names():
        raise SpecError(f"There is no prompt {name!r} in rag/prompts; there are: {', '.join(names())}.")
    return cast(AnswerPrompt, importlib.import_module(f"rag.prompts.{name}"))
