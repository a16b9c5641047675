"""What expanders by a chat model share: the model, how many texts, and the salt of the asker."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from rag.chat.base import ChatModel
from rag.errors import GenerationUnavailable
from rag.types import Expansion


@dataclass(frozen=True, slots=True)
class ByModel:
    METHOD: ClassVar[Literal["multi_query", "hyde"]]
    PROMPT: ClassVar[str]
    """Fingerprint of its words."""

    model: ChatModel
    number: int
    salt: str = ""

    @property
    def fingerprint(self) -> str:
        return f"{self.model.fingerprint}:{self.PROMPT}:{self.number}"

    def salted(self, salt: str) -> Self:
        return replace(self, salt=salt)

    def _expansion(self, texts: Iterable[str]) -> Expansion:
        """Raises `GenerationUnavailable` where there is none."""
        kept = tuple(texts)
        if not kept:
            raise GenerationUnavailable("the language model wrote nothing that can be searched.")
        return Expansion(self.METHOD, kept, self.model.model)
