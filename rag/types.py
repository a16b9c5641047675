"""The ground: the values that every stage takes and gives. Frozen, standard library only.

Names are those of the field, one meaning each. A rank is the place in a `Ranking`, counted from 1:
it is computed, never stored. A score may be compared only inside its own ranking.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Stage = Literal["bm25", "knn", "fused", "late", "coarse", "middle", "reranked", "final"]
"""`coarse` and `middle` are the stages of a cascade before the last one, `reranked`; see `rag.cascade`."""
STAGES: tuple[Stage, ...] = ("bm25", "knn", "fused", "late", "coarse", "middle", "reranked", "final")

ScoreKind = Literal[
    "bm25",
    "cosine",
    "rrf",
    "zscore",
    "minmax",
    "maxsim",
    "logit",
    "probability",
    "relevance",
    "rating",
    "ordinal",
    "blend",
]
"""Of rerankers: `maxsim`; `logit`, any real number; `probability` of a yes; `relevance`, 0 to 1 on the scale
of a provider, which says no more of it; `rating`, the 0 to 10 that a language model was asked for; `ordinal`,
a place counted down, of which only the order means anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a passage must be besides readable; inside each leg of the search. Empty: anything."""

    documents: tuple[str, ...] = ()
    """Ids of the documents, one of which it must be of."""
    title: str = ""
    """Words that the title of its document must all have."""
    phrases: tuple[str, ...] = ()
    """Texts that must stand in it word for word; case and white space do not count."""


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question, and the collections its asker may read (derived on the server, never from the client)."""

    id: str
    text: str
    """As the asker wrote it."""
    collections: tuple[str, ...]
    history: tuple[str, ...] = ()
    """Questions asked before in this conversation, oldest first, as they were understood. No answers: the
    trace of this question would be as secret as theirs."""
    filters: Filters = NO_FILTERS


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


FusionMethod = Literal["rrf", "minmax", "zscore"]


@dataclass(frozen=True, slots=True, eq=False)
class Hybrid:
    """Both, fused inside the index. Its ranking has stage "fused", and at most twice as many candidates."""

    text: str
    vector: Sequence[float]
    method: FusionMethod
    bm25: float
    knn: float
    """Weights, 0 to 1; `rrf` reads none."""


Subquery = Lexical | Dense | Hybrid


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a reranker's scores cost and stand on, besides time. A zero says that there is nothing to say."""

    texts: int = 0
    """Texts that a model read: passages, or the windows of long ones."""
    windows: int = 0
    """Windows among them, where passages were too long to be read whole."""
    tokens: int = 0
    """Tokens that it read, question and padding included, where they are known."""
    cached: int = 0
    """Scores that were taken from the score cache."""
    requests: int = 0
    """Requests to a service."""
    queue_ms: float = 0.0
    """Waiting for a worker, apart from its computing."""
    usd: float = 0.0
    """Price of it by the service's price list."""
    repaired: int = 0
    """Replies of a language model that were malformed and were mended."""
    precision: str = ""
    """What computed, where it is known: `int8`, `bfloat16 on cuda:0`."""
    stopped: Literal["", "time", "gap"] = ""
    """Why not every candidate was scored: no time was left, or nothing below could have entered the top."""


NOTHING_SPENT = Spent()


@dataclass(frozen=True, slots=True)
class Scores:
    """What a reranker gives: one value per passage, in the order given; None where time ran out."""

    kind: ScoreKind
    values: tuple[float | None, ...]
    compute_ms: float
    """Time spent computing; the rest of the elapsed time was spent waiting."""
    spent: Spent = NOTHING_SPENT


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A question that stands alone, made of a follow-up and the questions before it."""

    question: str
    by: str
    """The model, or `rule`."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """More texts that are searched with the question, in one search: see `rag.expand`."""

    method: Literal["multi_query", "hyde"]
    texts: tuple[str, ...]
    by: str


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
