"""Texts that a program brings along, ranked by a reranker that a pipeline here names; the trace is kept.

The trace holds the question, the order, the scores and a hash of each text, and no text: no document stands
behind it by which somebody could be allowed to read it, or by whose deletion it would go.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence

from django.conf import settings

from rag import given
from rag.errors import RerankUnavailable, SieveError
from rag.spec import RerankSpec
from rag.trace import Trace, fold
from rag.types import Query
from search_app import metrics, pipelines, services
from search_app.access import Viewer

MAX_TEXTS = 1000


class UnknownReranker(SieveError):
    """No pipeline has this name or names this model, or the pipeline has no reranker."""


def choose(name: str | None = None) -> RerankSpec:
    """The reranker of a pipeline, by the pipeline's name, or one that a pipeline names, by its model.

    Without a name that of the default pipeline. What no pipeline names cannot be had: nobody outside makes
    this machine load a model. Raises `UnknownReranker` saying which there are.
    """
    wanted = name or settings.DEFAULT_PIPELINE
    there_are = pipelines.names()
    if wanted in there_are and (found := pipelines.spec(wanted).rerank):
        return found
    ranking = {one: spec for one in there_are if (spec := pipelines.spec(one).rerank)}
    models = {scorer.model: scorer for spec in ranking.values() for scorer in _scorers(spec)}
    if wanted in models:
        return models[wanted]
    known = ", ".join([*ranking, *sorted(models)]) or "none yet"
    if wanted in there_are:
        raise UnknownReranker(f"The pipeline {wanted} has no reranker. There are: {known}.")
    raise UnknownReranker(f"There is no reranker {wanted}. There are: {known}.")


def _scorers(spec: RerankSpec) -> Iterator[RerankSpec]:
    """Every reranker of a pipeline as one that has the last word."""
    for stage in spec.before:
        yield RerankSpec(
            backend=stage.backend,
            model=stage.model,
            depth=stage.depth,
            budget_ms=stage.budget_ms,
            options=stage.options,
            required=False,
        )
    yield spec


def rank(
    question: str, texts: Sequence[str], spec: RerankSpec, *, viewer: Viewer, budget_ms: float
) -> tuple[uuid.UUID, Trace]:
    """Rank the texts and keep the trace, of a failure too. Its order may lack texts: no time was left.

    Raises `RerankUnavailable` where there is no score at all, and `ModelError` where the model is not on
    this machine.
    """
    trace_id = uuid.uuid4()
    query = Query(id=str(trace_id), text=question, collections=())
    live = pipelines.reranker(spec)
    name = f"rerank:{spec.model}"[:100]
    length = _length(spec)
    trace = fold(given.rank(query, texts, live, spec, name=name, budget_ms=budget_ms, length=length))
    services.record_trace(trace, viewer, trace_id)
    metrics.count_texts(spec.model, trace.rerank.scored, len(texts))
    if trace.rerank.status == "fallback":
        raise RerankUnavailable(trace.rerank.reason)
    return trace_id, trace


def _length(spec: RerankSpec) -> Callable[[str], int]:
    """What counts the tokens of a text for a reranker over windows; no other one asks."""
    if not spec.window_tokens:
        return lambda _: 0
    offsets = pipelines.encoder().offsets
    return lambda text: len(offsets(text))
