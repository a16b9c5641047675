"""The answer: weighed before it is written, written, and held against the passages after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.answers import Answer, Usage
from rag.clock import Clock
from rag.errors import GenerationUnavailable
from rag.events import Delta, Event, Generated, Skipped, Verified, Weighed
from rag.generate.base import NO_ANSWER, Finished, Generator
from rag.refuse.base import Judge
from rag.spec import PipelineSpec
from rag.types import Passage, Ranking
from rag.understand import NO_MODEL
from rag.verify.base import Verifier

NOTHING_FOUND = "No passage was found for this question."


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """The parts that a spec has for this; None where it has none, or their model is not here."""

    spec: PipelineSpec
    judge: Judge | None
    generator: Generator | None
    generator_lacks: str = ""
    """Why there is no generator, where that is known."""
    verifier: Verifier | None

    def run(
        self, question: str, context: Sequence[Passage], rankings: Sequence[Ranking], clock: Clock
    ) -> Iterator[Event]:
        """`Weighed`, the deltas and `Generated`, then `Verified`; `Skipped` for what could not be done."""
        spec, started = self.spec.generate, clock.now()
        if spec is None:
            return
        if not context:
            yield from _refused(NOTHING_FOUND, None, clock, started)
            return
        if self.spec.refuse is not None:
            weighed = self._weigh(question, context, rankings, clock)
            yield weighed
            if isinstance(weighed, Weighed) and weighed.confidence.value < weighed.threshold:
                yield from _refused(NO_ANSWER, weighed.confidence.value, clock, clock.now())
                return
        answer: Answer | None = None
        for event in self._write(question, context, clock):
            if isinstance(event, Generated):
                answer = event.answer
            yield event
        if answer is not None and answer.finish_reason != "no_answer" and self.spec.verify is not None:
            yield self._verify(question, answer, context, clock)

    def _weigh(
        self, question: str, context: Sequence[Passage], rankings: Sequence[Ranking], clock: Clock
    ) -> Weighed | Skipped:
        spec, started = self.spec.refuse, clock.now()
        assert spec is not None
        try:
            if self.judge is None:
                raise GenerationUnavailable(NO_MODEL)
            deadline = clock.deadline(spec.budget_ms)
            confidence = self.judge.weigh(question, context, rankings, deadline=deadline)
            return Weighed(confidence, spec.threshold, clock.since("weigh", started))
        except GenerationUnavailable as error:
            reason = f"It was not weighed whether the documents answer this: {error}"
            return Skipped("weigh", reason, clock.since("weigh", started))

    def _write(self, question: str, context: Sequence[Passage], clock: Clock) -> Iterator[Event]:
        spec, started = self.spec.generate, clock.now()
        assert spec is not None
        if self.generator is None:
            lacks = self.generator_lacks or "the generator has no model on this machine."
            reason = f"No answer was written: {lacks}"
            yield Skipped("generate", reason, clock.since("generate", started))
            return
        first_ms: float | None = None
        written: list[Delta] = []
        try:
            for piece in self.generator.stream(question, context, deadline=clock.deadline(spec.budget_ms)):
                if isinstance(piece, Finished):
                    yield Generated(piece.answer, piece.usage, clock.since("generate", started), first_ms)
                else:
                    if piece.text:  # an empty one only says that the model is at work
                        first_ms = clock.now() - started if first_ms is None else first_ms
                        written.append(piece)
                    yield piece
        except GenerationUnavailable as error:
            timing = clock.since("generate", started)
            if not written:
                yield Skipped("generate", f"No answer was written: {error}", timing)
                return
            yield Skipped("generate", f"The answer could not be written to its end: {error}", timing)
            cited = tuple(citation for delta in written for citation in delta.citations)
            answer = Answer("".join(delta.text for delta in written), cited, "failed")
            yield Generated(answer, Usage(spec.model, 0, 0), timing, first_ms)

    def _verify(
        self, question: str, answer: Answer, context: Sequence[Passage], clock: Clock
    ) -> Verified | Skipped:
        spec, started = self.spec.verify, clock.now()
        assert spec is not None
        try:
            if self.verifier is None:
                raise GenerationUnavailable(NO_MODEL)
            deadline = clock.deadline(spec.budget_ms)
            numbered = tuple(enumerate(context, start=1))
            checks = self.verifier.check(question, answer, numbered, deadline=deadline)
            return Verified(checks, clock.since("verify", started))
        except GenerationUnavailable as error:
            reason = f"The answer was not held against its passages: {error}"
            return Skipped("verify", reason, clock.since("verify", started))


def _refused(sentence: str, confidence: float | None, clock: Clock, started: float) -> Iterator[Event]:
    yield Delta(sentence)
    answer = Answer(sentence, (), "no_answer", confidence)
    yield Generated(answer, Usage("", 0, 0), clock.since("generate", started))
