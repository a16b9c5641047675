"""A generator that writes what a test says, in the place of the light pipeline's none."""

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from rag.answers import Answer, Citation, FinishReason, Usage
from rag.events import Delta
from rag.generate.base import NO_ANSWER, Finished
from rag.spec import GenerateSpec
from rag.types import Passage
from search_app import pipelines


class Scripted:
    """Writes the same two sentences, cites the first passage, and ends as it is told."""

    fingerprint = "scripted"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.ends: FinishReason = "answered"
        self.fault: Exception | None = None
        self.pause_s = 0.0
        self.more = 0
        """Pieces that follow the two sentences, and the time before each piece."""
        self.left = threading.Event()
        """Set when whoever read was gone before the end."""

    def stream(
        self, question: str, context: Sequence[Passage], *, deadline: float
    ) -> Iterator[Delta | Finished]:
        self.seen.append(question)
        if self.ends == "no_answer":
            yield Delta(NO_ANSWER)
            yield Finished(Answer(NO_ANSWER, (), "no_answer", -3.5), Usage("scripted", 0, 0))
            return
        citation = Citation(1, context[0].id, context[0].span, (0, 14))
        yield Delta("It leaves.\u2028\x85 ", ())
        if self.fault is not None:
            raise self.fault
        yield Delta("At nine [1].", (citation,))
        try:
            for _ in range(self.more):
                time.sleep(self.pause_s)
                yield Delta(" And on.")
        except GeneratorExit:
            self.left.set()
            raise
        text = "It leaves.\u2028\x85 At nine [1]." + " And on." * self.more
        yield Finished(
            Answer(text, (citation,), self.ends, 0.75), Usage("scripted", 120, 9, cached_tokens=64)
        )

    def count(self, texts: Sequence[str]) -> list[int] | None:
        return None


@pytest.fixture
def scripted(light: None, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The light pipeline with a generator that is scripted."""
    generator, get = Scripted(), pipelines.get
    writing = GenerateSpec(
        backend="extractive", model="scripted", threshold=0.0, max_sentences=3, budget_ms=60_000
    )

    def with_generator(*args: Any, **kwargs: Any) -> Any:
        live = get(*args, **kwargs)
        spec = msgspec.structs.replace(live.spec, generate=writing)
        return dataclasses.replace(live, spec=spec, generator=generator)

    monkeypatch.setattr(pipelines, "get", with_generator)
    return generator
