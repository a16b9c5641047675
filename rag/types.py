"""The ground: the values that every stage takes and gives. Frozen, standard library only.

Names are those of the field, one meaning each. A rank is the place in a `Ranking`, counted from 1:
it is computed, never stored. A score may be compared only inside its own ranking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Stage = Literal["bm25", "knn", "fused", "late", "reranked", "final"]
STAGES: tuple[Stage, ...] = ("bm25", "knn", "fused", "late", "reranked", "final")

ScoreKind = Literal[
    "bm25", "cosine", "rrf", "zscore", "minmax", "maxsim", "logit", "probability", "ordinal", "blend"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question, and the collections its asker may read (derived on the server, never from the client)."""

    id: str
    text: str
    collections: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of a document that can be found, cited and shown in place."""

    id: str
    """`document:version:position`."""
    document_id: str
    version: int
    position: int
    """Place among the passages of the document, from 0."""
    collection: str
    title: str
    """Title of the document."""
    headings: tuple[str, ...]
    """Headings above the passage, outermost first."""
    text: str
    """Exactly the characters `span` of the parsed document."""
    span: tuple[int, int]
    """First and past-the-last character in the parsed document's text."""
    page: int | None
    """Page the passage begins on, from 1, where the format has pages."""
    tokens: int
    """Length in tokens of the encoder, without special tokens, of `search_text`."""

    @property
    def search_text(self) -> str:
        """What is searched and scored: the title and the headings above the passage, then its text."""
        return with_context(self.title, self.headings, self.text)


def passage_id(document_id: str, version: int, position: int) -> str:
    return f"{document_id}:{version}:{position}"


def context_of(title: str, headings: Sequence[str]) -> str:
    """Title and headings in one line, without a heading that repeats the one before it."""
    parts: list[str] = []
    for part in (title, *headings):
        if part and (not parts or part.casefold() != parts[-1].casefold()):
            parts.append(part)
    return " > ".join(parts)


def with_context(title: str, headings: Sequence[str], text: str) -> str:
    context = context_of(title, headings)
    return f"{context}\n{text}" if context else text


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage and its score in one ranking; higher is better."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates of one stage, best first; equal scores stand in order of passage id."""

    stage: Stage
    kind: ScoreKind
    candidates: tuple[Candidate, ...]

    @classmethod
    def of(cls, stage: Stage, kind: ScoreKind, scored: Iterable[tuple[Passage, float]]) -> "Ranking":
        """Sort `(passage, score)` pairs into a ranking. This is the only place where ties are broken."""
        best_first = sorted(scored, key=lambda pair: (-pair[1], pair[0].id))
        return cls(stage, kind, tuple(Candidate(passage, score) for passage, score in best_first))

    def top(self, k: int) -> "Ranking":
        return Ranking(self.stage, self.kind, self.candidates[:k])

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(candidate.passage for candidate in self.candidates)

    def ranks(self) -> dict[str, int]:
        """Passage id to rank, from 1, best first."""
        return {candidate.passage.id: rank for rank, candidate in enumerate(self.candidates, start=1)}

    def scores(self) -> dict[str, float]:
        """Passage id to score, best first."""
        return {candidate.passage.id: candidate.score for candidate in self.candidates}

    def __len__(self) -> int:
        return len(self.candidates)


@dataclass(frozen=True, slots=True)
class Lexical:
    """A subquery by words. `text` is what the asker wrote: never query syntax."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A subquery by meaning: a unit vector, float32 [dimension]."""

    vector: Sequence[float]


Subquery = Lexical | Dense


@dataclass(frozen=True, slots=True)
class Scores:
    """What a reranker gives: one value per passage, in the order given; None where time ran out."""

    kind: ScoreKind
    values: tuple[float | None, ...]
    compute_ms: float
    """Time spent computing; the rest of the elapsed time was spent waiting."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A part of the answer and the part of a passage that carries it."""

    marker: int
    """Number of the passage in the context, from 1."""
    passage_id: str
    span: tuple[int, int]
    """Cited characters in the parsed document's text."""
    answer_span: tuple[int, int]
    """Characters of the answer's text that this citation supports, its marker not included."""


FinishReason = Literal["answered", "no_answer", "length", "failed"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer's text with markers such as `[1]`, and what they point at.

    `no_answer` says that the documents do not answer the question: `text` then says so in a sentence.
    """

    text: str
    citations: tuple[Citation, ...]
    finish_reason: FinishReason
    confidence: float | None = None
    """What the refusal was decided on, in the scale of the generator's own threshold."""


@dataclass(frozen=True, slots=True)
class Usage:
    model: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Timing:
    """When a step of the pipeline began, counted from the question, and how long it took. Milliseconds."""

    step: str
    started_ms: float
    elapsed_ms: float
    compute_ms: float | None = None
    """Part of `elapsed_ms` spent computing, where it is known apart from waiting."""


@dataclass(frozen=True, slots=True)
class ContextPassage:
    """A passage handed to the generator under its number."""

    marker: int
    passage_id: str
    tokens: int


# --- Events: what the pipeline yields, in order. A `Trace` is their fold. -----------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """First event: what is asked, of which index, by which spec."""

    query: Query
    pipeline: str
    spec: Mapping[str, object]
    fingerprint: str
    index_version: str
    readable: int
    """Passages in the collections that the asker may read."""


@dataclass(frozen=True, slots=True)
class Encoded:
    timing: Timing


@dataclass(frozen=True, slots=True)
class Ranked:
    ranking: Ranking
    timing: Timing
    asked: int
    """How many candidates the stage was given or asked for; it may have scored fewer."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stage that gave no ranking, with the reason in plain words."""

    stage: str
    reason: str
    timing: Timing
    failed: bool = True
    """False where the spec leaves the stage out or there was nothing to do."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """The check of access at the end of retrieval: how many found passages may not be read (any more)."""

    refused: int
    timing: Timing


@dataclass(frozen=True, slots=True)
class Packed:
    """Passages handed to the generator, and the candidates within reach that were left out, with why."""

    context: tuple[ContextPassage, ...]
    dropped: tuple[tuple[str, str], ...]
    timing: Timing


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text, in order. The pieces joined are the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Generated:
    """Last event: the whole answer. `first_ms` is when its first piece came, from the start of generation."""

    answer: Answer
    usage: Usage
    timing: Timing
    first_ms: float | None = None


Event = Began | Encoded | Ranked | Skipped | Permitted | Packed | Delta | Generated

RerankStatus = Literal["applied", "partial", "skipped", "fallback"]


@dataclass(frozen=True, slots=True)
class Rerank:
    """What the cross-encoder stage did: `status`, and the reason in a plain sentence unless applied."""

    status: RerankStatus
    scored: int
    asked: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Everything that happened to a question: the return value of the pipeline."""

    query: Query
    pipeline: str
    spec: Mapping[str, object]
    fingerprint: str
    index_version: str
    readable: int
    refused: int = 0
    rankings: tuple[Ranking, ...] = ()
    asked: Mapping[str, int] = field(default_factory=dict)
    """Stage to how many candidates it was given or asked for."""
    skipped: tuple[Skipped, ...] = ()
    context: tuple[ContextPassage, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    answer: Answer | None = None
    usage: Usage | None = None
    timings: tuple[Timing, ...] = field(default=(), compare=False)
    first_ms: float | None = field(default=None, compare=False)

    def ranking(self, stage: str) -> Ranking | None:
        return next((ranking for ranking in self.rankings if ranking.stage == stage), None)

    @property
    def final(self) -> tuple[Candidate, ...]:
        """Candidates in the order that counted: of the last stage that gave a ranking."""
        return self.rankings[-1].candidates if self.rankings else ()

    @property
    def passages(self) -> dict[str, Passage]:
        """Every passage that any stage ranked, by id."""
        return {p.id: p for ranking in self.rankings for p in ranking.passages}

    @property
    def total_ms(self) -> float:
        return max((t.started_ms + t.elapsed_ms for t in self.timings), default=0.0)

    @property
    def rerank(self) -> Rerank:
        asked = self.asked.get("reranked", 0)
        for skip in self.skipped:
            if skip.stage == "reranked":
                return Rerank("fallback" if skip.failed else "skipped", 0, asked, skip.reason)
        ranking = self.ranking("reranked")
        if ranking is None:
            return Rerank("skipped", 0, asked, "there was nothing to rerank")
        if len(ranking) < asked:
            reason = f"the time budget ended after {len(ranking)} of {asked} candidates"
            return Rerank("partial", len(ranking), asked, reason)
        return Rerank("applied", len(ranking), asked)

    @property
    def degraded(self) -> tuple[str, ...]:
        """One plain sentence for each thing that did not go as the spec says; empty when all went well."""
        sentences = [skip.reason for skip in self.skipped if skip.failed]
        if self.rerank.status == "partial":
            sentences.append(
                f"Reranking stopped at its time budget: {self.rerank.scored} of {self.rerank.asked} "
                "candidates were scored. The rest keep the order they had."
            )
        return tuple(sentences)

    def movements(self) -> dict[str, dict[str, int | None]]:
        """Passage id to its rank in each stage that ran, or None; in the final order."""
        order: dict[str, None] = {}
        for ranking in reversed(self.rankings):
            order.update(dict.fromkeys(p.id for p in ranking.passages))
        ranks = {ranking.stage: ranking.ranks() for ranking in self.rankings}
        return {pid: {str(stage): of.get(pid) for stage, of in ranks.items()} for pid in order}


def fold(events: Iterable[Event]) -> Trace:
    """Gather the events of one question into its trace. The first event must be `Began`."""
    stream = iter(events)
    began = next(stream)
    if not isinstance(began, Began):
        raise ValueError(f"a trace begins with Began, not with {type(began).__name__}")
    rankings: list[Ranking] = []
    asked: dict[str, int] = {}
    skipped: list[Skipped] = []
    timings: list[Timing] = []
    refused = 0
    context: tuple[ContextPassage, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    answer: Answer | None = None
    usage: Usage | None = None
    first_ms: float | None = None
    for event in stream:
        match event:
            case Encoded(timing):
                timings.append(timing)
            case Ranked(ranking, timing, number):
                rankings.append(ranking)
                asked[ranking.stage] = number
                timings.append(timing)
            case Skipped(timing=timing):
                skipped.append(event)
                timings.append(timing)
            case Permitted(refused, timing):
                timings.append(timing)
            case Packed(context, dropped, timing):
                timings.append(timing)
            case Generated(answer, usage, timing, first_ms):
                timings.append(timing)
            case Delta():
                pass
            case Began():
                raise ValueError("a trace begins once")
    return Trace(
        query=began.query,
        pipeline=began.pipeline,
        spec=began.spec,
        fingerprint=began.fingerprint,
        index_version=began.index_version,
        readable=began.readable,
        refused=refused,
        rankings=tuple(rankings),
        asked=asked,
        skipped=tuple(skipped),
        context=context,
        dropped=dropped,
        answer=answer,
        usage=usage,
        timings=tuple(timings),
        first_ms=first_ms,
    )
