"""Answers that a language model writes: a prompt, a stream, citations that are validated on the way.

What a model says is shown as it comes, but never a marker that points at nothing, and never a refusal in its
own words: that becomes the sentence that all generators say. `openai.py` and `llama.py` beside this file
name the model.
"""

import time
from collections.abc import Iterator, Sequence

from rag.answers import Answer, FinishReason, Usage
from rag.chat.base import ChatModel, Ended, Limits
from rag.cite import Citing
from rag.errors import GenerationUnavailable
from rag.events import Delta
from rag.generate.base import NO_ANSWER, Finished
from rag.generate.declined import Declining
from rag.prompts.base import named
from rag.prompts.data import as_data
from rag.spec import GenerateSpec
from rag.types import Passage

NUMBER_TOKENS = 8
"""What a passage's number and the lines around it take, by any tokenizer."""
TEMPLATE_TOKENS = 64
"""What a chat template puts around two messages."""


class WrittenGenerator:
    """One model with one prompt. Threads may share it."""

    def __init__(self, chat: ChatModel, spec: GenerateSpec, *, salt: str = "") -> None:
        """Raises `SpecError` for a prompt that there is not."""
        self._chat, self._spec, self._salt = chat, spec, salt
        self._prompt = named(spec.prompt)
        self._limits = Limits(max_tokens=spec.max_tokens, temperature=spec.temperature, seed=spec.seed)
        chosen = f"{spec.max_tokens}:{spec.temperature}:{spec.seed}"
        self.fingerprint = f"written:{chat.fingerprint}:{self._prompt.FINGERPRINT}:{chosen}"

    def salted(self, salt: str) -> "WrittenGenerator":
        return WrittenGenerator(self._chat, self._spec, salt=salt)

    def stream(
        self, question: str, context: Sequence[Passage], *, deadline: float
    ) -> Iterator[Delta | Finished]:
        """Deltas as they are written; an empty one says that the model is at work."""
        if time.monotonic() >= deadline:
            raise GenerationUnavailable("There was no time left to write an answer.")
        if not context:
            yield Delta(NO_ANSWER)
            yield Finished(Answer(NO_ANSWER, (), "no_answer"), self._usage(None, "", ""))
            return
        messages = self._prompt.messages(question, context)
        citing, declining = Citing(context), Declining()
        ended: Ended | None = None
        raw = ""
        pieces = self._chat.stream(messages, self._limits, deadline=deadline, salt=self._salt)
        try:
            for piece in pieces:
                if isinstance(piece, Ended):
                    ended = piece
                    break
                raw += piece
                shown = declining.feed(citing.feed(piece))
                yield from shown or [Delta("")]
                if declining.sure:
                    break
        finally:
            if (close := getattr(pieces, "close", None)) is not None:
                close()
        held = declining.feed(citing.end())
        declined, rest = declining.end()
        usage = self._usage(ended, "".join(m.content for m in messages), raw)
        if declined:
            yield Delta(NO_ANSWER)
            answer = Answer(NO_ANSWER, (), "no_answer", unknown_markers=citing.unknown)
            yield Finished(answer, usage)
            return
        yield from (delta for delta in (*held, *rest) if delta.text or delta.citations)
        if not citing.text:
            raise GenerationUnavailable("The language model wrote nothing.")
        reason: FinishReason = "length" if ended is not None and ended.reason == "length" else "answered"
        cited = tuple(citing.citations)
        yield Finished(Answer(citing.text, cited, reason, unknown_markers=citing.unknown), usage)

    def count(self, texts: Sequence[str]) -> list[int]:
        counted = self._chat.count([as_data(text) for text in texts])
        return [tokens + NUMBER_TOKENS for tokens in counted]

    def room(self, question: str) -> int | None:
        if not self._chat.context_tokens:
            return None
        fixed = sum(self._chat.count([m.content for m in self._prompt.messages(question, ())]))
        return max(1, self._chat.context_tokens - self._limits.max_tokens - fixed - TEMPLATE_TOKENS)

    def _usage(self, ended: Ended | None, prompt: str, written: str) -> Usage:
        """As the model said; counted here where it was stopped before it could say."""
        if ended is None:
            read, wrote = self._chat.count([prompt, written]) if prompt else (0, 0)
            return Usage(self._chat.model, read, wrote, prompt=self._prompt.FINGERPRINT)
        return Usage(
            self._chat.model,
            ended.prompt_tokens,
            ended.completion_tokens,
            cached_tokens=ended.cached_tokens,
            tokens_per_s=ended.tokens_per_s,
            server=ended.server,
            prompt=self._prompt.FINGERPRINT,
            usd=ended.usd,
        )
