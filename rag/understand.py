"""What a question means before it is searched: a follow-up made to stand alone, and more texts beside it."""

from collections.abc import Iterator

from rag.clock import Clock
from rag.errors import GenerationUnavailable
from rag.events import Event, Expanded, Rewritten, Skipped
from rag.expand.base import Expander
from rag.rewrite.base import Rewriter
from rag.rewrite.rule import RuleRewriter
from rag.spec import PipelineSpec
from rag.trace import Trace
from rag.types import Query

NO_MODEL = "its model is not on this machine"


def understand(
    query: Query,
    spec: PipelineSpec,
    rewriter: Rewriter | None,
    expander: Expander | None,
    clock: Clock,
    stored: Trace | None,
) -> Iterator[Event]:
    """`Rewritten` and `Expanded`, where the spec has these steps and there is something to do.

    With a stored trace what was understood then is taken again: a language model may say something else.
    """
    if stored is not None:
        if stored.rewriting is not None:
            yield Rewritten(stored.rewriting, clock.since("rewrite", clock.now()))
        if stored.expansion is not None:
            yield Expanded(stored.expansion, clock.since("expand", clock.now()))
        return
    question = query.text
    if spec.rewrite is not None and query.history:
        started = clock.now()
        try:
            if rewriter is None:
                raise GenerationUnavailable(NO_MODEL)
            deadline = clock.deadline(spec.rewrite.budget_ms)
            rewriting = rewriter.rewrite(question, query.history, deadline=deadline)
            if rewriting is not None:
                question = rewriting.question
                yield Rewritten(rewriting, clock.since("rewrite", started))
        except GenerationUnavailable as error:
            reason = f"What the question goes on with was found out by a rule, not by a model: {error}"
            yield Skipped("rewrite", reason, clock.since("rewrite", started))
            rewriting = RuleRewriter().rewrite(question, query.history, deadline=clock.deadline(0))
            if rewriting is not None:
                question = rewriting.question
                yield Rewritten(rewriting, clock.since("rewrite", started))
    if spec.expand is not None:
        started = clock.now()
        try:
            if expander is None:
                raise GenerationUnavailable(NO_MODEL)
            deadline = clock.deadline(spec.expand.budget_ms)
            expansion = expander.expand(question, deadline=deadline)
            yield Expanded(expansion, clock.since("expand", started))
        except GenerationUnavailable as error:
            reason = f"The question was searched alone, without more texts beside it: {error}"
            yield Skipped("expand", reason, clock.since("expand", started))
