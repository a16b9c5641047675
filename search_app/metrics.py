"""Numbers for Prometheus. What a question adds is read from its trace, so that the two cannot disagree.

Counters and histograms are those of one process, the default. With several web processes set
`PROMETHEUS_MULTIPROC_DIR` to an empty folder: each then writes its numbers there and any of them tells all.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from rag.trace import Trace
from rag.types import Spent
from search_app import modes
from search_app.models import Document, TraceRecord
from search_app.pages.said import checked, counts

if TYPE_CHECKING:
    from search_app.health import Part

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_here = CollectorRegistry()

QUESTIONS = Counter(
    "sieve_questions",
    "Questions whose trace was kept.",
    ("pipeline", "rerank", "degraded", "answered"),
    registry=_here,
)
QUESTION_SECONDS = Histogram(
    "sieve_question_seconds",
    "From the question to the end of its answer.",
    ("pipeline",),
    buckets=SECONDS,
    registry=_here,
)
INDEX_MODES = Counter(
    "sieve_index_mode",
    "Questions by what of the index answered them.",
    ("mode",),
    registry=_here,
)
for _mode in modes.MODES:
    INDEX_MODES.labels(_mode)  # a rate needs the 0 from which it rises
STAGE_SECONDS = Histogram(
    "sieve_stage_seconds",
    "A stage of a question, waiting included.",
    ("stage",),
    buckets=SECONDS,
    registry=_here,
)
WAIT_SECONDS = Histogram(
    "sieve_stage_wait_seconds",
    "Part of a stage spent waiting for its turn, where it is known apart from computing.",
    ("stage",),
    buckets=SECONDS,
    registry=_here,
)
SCORES = Counter(
    "sieve_rerank_scores",
    "Scores that a stage of reranking gave to passages, by where they came from.",
    ("stage", "source"),
    registry=_here,
)
TOKENS = Counter("sieve_rerank_tokens", "Tokens that rerankers read.", ("stage",), registry=_here)
CALLS = Counter("sieve_rerank_requests", "Requests to services that rerank.", ("stage",), registry=_here)
DOLLARS = Counter("sieve_rerank_usd", "Price of reranking by price list.", ("stage",), registry=_here)
REPAIRED = Counter("sieve_rerank_repaired", "Malformed replies that were mended.", ("stage",), registry=_here)
STOPPED = Counter(
    "sieve_rerank_stopped",
    "Stages that did not score every candidate, by why.",
    ("stage", "reason"),
    registry=_here,
)
QUEUE_SECONDS = Histogram(
    "sieve_rerank_queue_seconds",
    "Wait for a rerank worker, apart from its computing and the way there and back.",
    ("stage",),
    buckets=SECONDS,
    registry=_here,
)
TEXTS = Counter(
    "sieve_reranked_texts",
    "Texts that were sent to be ranked, by model and by whether they were scored.",
    ("model", "outcome"),
    registry=_here,
)
ANSWERS = Counter(
    "sieve_answers",
    "Answers by how they ended; `none` where a pipeline that answers wrote nothing.",
    ("pipeline", "finish"),
    registry=_here,
)
FIRST_SECONDS = Histogram(
    "sieve_answer_first_seconds",
    "From the question to the first words of its answer.",
    ("pipeline",),
    buckets=(*SECONDS, 20.0, 60.0),
    registry=_here,
)
TOKENS_PER_S = Histogram(
    "sieve_answer_tokens_per_second",
    "Tokens a second that a language model wrote.",
    ("pipeline",),
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=_here,
)
ANSWER_TOKENS = Counter(
    "sieve_answer_tokens",
    "Tokens of language models that write answers: prompt, cached (a part of it) and written.",
    ("pipeline", "kind"),
    registry=_here,
)
ANSWER_DOLLARS = Counter("sieve_answer_usd", "Price of answers by price list.", ("pipeline",), registry=_here)
SENTENCES = Counter(
    "sieve_answer_sentences",
    "Sentences of answers by whether a passage supports them.",
    ("pipeline", "verdict"),
    registry=_here,
)
UNKNOWN_MARKERS = Counter(
    "sieve_answer_unknown_markers",
    "Markers that named no passage and were taken out of answers.",
    ("pipeline",),
    registry=_here,
)
REQUESTS = Counter(
    "sieve_http_requests",
    "Requests by the name of their route.",
    ("route", "method", "status"),
    registry=_here,
)
REQUEST_SECONDS = Histogram(
    "sieve_http_request_seconds",
    "Until the answer begins; a stream goes on after that.",
    ("route",),
    buckets=SECONDS,
    registry=_here,
)


def count_question(trace: Trace) -> None:
    """Add a question, when its trace is kept."""
    answered = trace.answer is not None and trace.answer.finish_reason == "answered"
    QUESTIONS.labels(trace.pipeline, trace.rerank.status, _flag(trace.degraded), _flag(answered)).inc()
    if (found := modes.mode(trace)) and found != modes.DOWN:
        INDEX_MODES.labels(found).inc()
    QUESTION_SECONDS.labels(trace.pipeline).observe(trace.total_ms / 1000)
    for timing in trace.timings:
        STAGE_SECONDS.labels(timing.step).observe(timing.elapsed_ms / 1000)
        if timing.compute_ms is not None:
            waited_ms = max(0.0, timing.elapsed_ms - timing.compute_ms)
            WAIT_SECONDS.labels(timing.step).observe(waited_ms / 1000)

    for stage, spent in trace.spent.items():
        _count_spent(stage, spent, len(trace.ranking(stage) or ()))
    if trace.spec.get("generate"):
        _count_answer(trace)


def _count_answer(trace: Trace) -> None:
    name, answer, usage = trace.pipeline, trace.answer, trace.usage
    ANSWERS.labels(name, answer.finish_reason if answer else "none").inc()
    for verdict, number in counts(checked(trace)).items():
        SENTENCES.labels(name, verdict).inc(number)
    if answer is not None:
        UNKNOWN_MARKERS.labels(name).inc(answer.unknown_markers)
    began = next((timing.started_ms for timing in trace.timings if timing.step == "generate"), None)
    if trace.first_ms is not None and began is not None:
        FIRST_SECONDS.labels(name).observe((began + trace.first_ms) / 1000)
    if usage is not None and usage.completion_tokens:
        kinds = {"prompt": usage.prompt_tokens, "cached": usage.cached_tokens}
        for kind, number in (kinds | {"written": usage.completion_tokens}).items():
            ANSWER_TOKENS.labels(name, kind).inc(number)
        if usage.tokens_per_s:
            TOKENS_PER_S.labels(name).observe(usage.tokens_per_s)
    if usage is not None:
        ANSWER_DOLLARS.labels(name).inc(usage.usd)


def _count_spent(stage: str, spent: Spent, scored: int) -> None:
    cached = min(spent.cached, scored)  # windows of one passage are kept each for itself
    for source, number in (("model", scored - cached), ("cache", cached)):
        SCORES.labels(stage, source).inc(number)
    for counter, number in (
        (TOKENS, spent.tokens),
        (CALLS, spent.requests),
        (DOLLARS, spent.usd),
        (REPAIRED, spent.repaired),
    ):
        counter.labels(stage).inc(number)
    if spent.stopped:
        STOPPED.labels(stage, spent.stopped).inc()
    if spent.queue_ms:
        QUEUE_SECONDS.labels(stage).observe(spent.queue_ms / 1000)


def count_texts(model: str, scored: int, asked: int) -> None:
    """Add the texts that somebody brought along to be ranked."""
    TEXTS.labels(model, "scored").inc(scored)
    TEXTS.labels(model, "unscored").inc(asked - scored)


def count_down() -> None:
    """Add a question for which nothing could be searched; it may have no trace."""
    INDEX_MODES.labels(modes.DOWN).inc()


def count_request(route: str, method: str, status: int, elapsed_s: float) -> None:
    """Add a request. Its path is not kept, only the name of its route."""
    REQUESTS.labels(route, method if method in METHODS else "other", str(status)).inc()
    REQUEST_SECONDS.labels(route).observe(elapsed_s)


def text(parts: "Sequence[Part]") -> bytes:
    """Everything in Prometheus' text format, with how the parts are now."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)
    else:
        registry.register(_Same(_here))
    registry.register(_Now(parts))
    return generate_latest(registry)


def _flag(value: object) -> str:
    return "yes" if value else "no"


class _Same(Collector):
    """What another registry holds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[object]:
        return iter(self._registry.collect())


class _Now(Collector):
    """What is counted when it is asked for, from the report of the parts."""

    def __init__(self, parts: "Sequence[Part]") -> None:
        self._parts = {part.name: part for part in parts}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ingest, queue, workers = (self._details(name) for name in ("ingest", "queue", "workers"))
        well = {name: float(part.ok) for name, part in self._parts.items()}
        yield _gauge("sieve_part_ok", "1 where a part is well.", "part", well)
        documents = ingest.get("documents", {})
        by_state = {state: documents[state] for state in Document.State.values if state in documents}
        yield _gauge("sieve_documents", "Documents by state.", "state", by_state)
        lengths = {line["name"]: line["length"] for line in queue.get("queues", ())}
        yield _gauge("sieve_queue_length", "Messages that wait.", "queue", lengths)
        waits = {line["name"]: line["oldest_s"] or 0.0 for line in queue.get("queues", ())}
        yield _gauge("sieve_queue_oldest_seconds", "Wait of the oldest message.", "queue", waits)
        yield _gauge("sieve_workers", "Workers that gave a sign of life.", "kind", workers.get("alive", {}))
        for part, key, name, described in PLAIN:
            if (value := self._details(part).get(key)) is not None:
                yield GaugeMetricFamily(name, described, value=value)
        yield GaugeMetricFamily("sieve_traces", "Traces that are kept.", value=TraceRecord.objects.count())

    def _details(self, part: str) -> Mapping[str, Any]:
        return self._parts[part].details if part in self._parts else {}


PLAIN = (
    ("ingest", "oldest_queued_s", "sieve_oldest_queued_seconds", "Longest wait of a document."),
    ("index", "passages", "sieve_passages", "Passages in the index."),
    ("workers", "unfit", "sieve_models_unfit", "Models that a rerank worker has but refuses to serve."),
    ("disk", "free_bytes", "sieve_disk_free_bytes", "Room left where the data lies."),
    ("disk", "total_bytes", "sieve_disk_bytes", "Size of that disk."),
)
"""Part, key in its details, name and meaning of the gauges without labels."""


def _gauge(name: str, described: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, described, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
